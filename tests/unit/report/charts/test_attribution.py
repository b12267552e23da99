"""The chart of factors has the ratios and intervals of attribution.csv, and no factor without a ratio."""

from __future__ import annotations

import dataclasses

import pytest
from builders.charts import rows

from kvbench.report.charts import attribution
from kvbench.report.charts.source import Source


def test_ratios_and_intervals_are_those_of_the_table(source: Source) -> None:
    found = rows(attribution.build(source), ratio=...)
    table = source.rows("attribution").dropna(subset=["ratio"])
    assert 0 < len(table) < len(source.rows("attribution"))
    assert len({row["name"] for row in found}) == len(found) == len(table)
    for row in table.to_dict("records"):
        engines = f"{row['numerator']} / {row['denominator']}"
        wanted = [row["ratio"], row["ratio_ci95_low"], row["ratio_ci95_high"]]
        drawn = [[one["ratio"], one["low"], one["high"]] for one in found if one["Engines"] == engines]
        assert any(values == pytest.approx(wanted, rel=1e-5) for values in drawn)


def test_without_a_ratio_there_is_no_chart(source: Source) -> None:
    empty = {**source.tables, "attribution": source.tables["attribution"].assign(ratio=float("nan"))}
    assert attribution.build(dataclasses.replace(source, tables=empty)) is None


def test_without_intervals_there_are_no_whiskers(source: Source) -> None:
    columns = dict.fromkeys(("ratio_ci95_low", "ratio_ci95_high"), float("nan"))
    bare = {**source.tables, "attribution": source.tables["attribution"].assign(**columns)}
    chart = attribution.build(dataclasses.replace(source, tables=bare))
    assert len(chart.drawn.layer) == len(attribution.build(source).drawn.layer) - 1
    assert rows(chart, ratio=...)[0]["95% interval"] == "none, too few repeats"
