"""Charts of sweeps have the points of sweeps.csv and the lines of their replays."""

from __future__ import annotations

import dataclasses

import pytest
from builders.charts import rows

from kvbench.report.charts import block_size, preemption
from kvbench.report.charts.source import Source


@pytest.mark.parametrize("module", [block_size, preemption])
def test_points_and_lines_are_those_of_the_tables(source: Source, module) -> None:
    chart, sweep = module.build(source), module.SWEEP
    table, replays = source.swept(sweep.key)
    assert len(table) == 2
    for name, (label, factor) in sweep.quantities.items():
        points, lines = rows(chart, quantity=label, Point=...), rows(chart, quantity=label)
        assert [row["y"] for row in points] == pytest.approx(factor * table[f"{name}_median"], rel=1e-5)
        assert [row["low"] for row in points] == pytest.approx(factor * table[f"{name}_ci95_low"], rel=1e-5)
        lines = [row for row in lines if "Point" not in row]
        wanted = replays.drop_duplicates(sweep.x).sort_values(sweep.x)
        assert [row["y"] for row in lines] == pytest.approx(
            factor * wanted[name].astype(float) if name in wanted else [], rel=1e-5
        )


def test_below_six_repeats_a_whisker_is_the_range(source: Source) -> None:
    table = source.tables["sweeps"]
    bare = table.assign(**{name: float("nan") for name in table if "_ci95_" in name})
    chart = block_size.build(dataclasses.replace(source, tables={**source.tables, "sweeps": bare}))
    label = "Output tokens per second"
    low = source.swept("block_size")[0]["output_tokens_per_s_min"]
    assert [row["low"] for row in rows(chart, quantity=label, Point=...)] == pytest.approx(low, rel=1e-5)


def test_without_a_sweep_there_is_no_chart(source: Source) -> None:
    none = {**source.tables, "sweeps": source.tables["sweeps"].iloc[:0]}
    assert block_size.build(dataclasses.replace(source, tables=none, files=[])) is None
