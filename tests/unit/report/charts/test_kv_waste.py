"""The chart of what slots held has the shares of kv_waste.csv."""

from __future__ import annotations

import dataclasses

import pytest
from builders.charts import rows

from kvbench.figures.style import SPLIT_COLOURS
from kvbench.records import PLAIN_SPLIT, SPLIT
from kvbench.report.charts import kv_waste
from kvbench.report.charts.source import Source


def test_shares_are_those_of_the_table(source: Source) -> None:
    chart, table = kv_waste.build(source), source.rows("kv_waste")
    assert len(rows(chart)) == len(SPLIT) * len(table)
    for row in table.to_dict("records"):
        name = row["label"] if row["scope"] == "all" else f"{row['label']} (subset)"
        for use in SPLIT:
            [drawn] = rows(chart, name=name, use=use)
            assert drawn["percent"] == pytest.approx(100 * row[f"{use}_share_of_allocated"], rel=1e-5)
    assert {key.name: key.colour for key in chart.legend} == {use: SPLIT_COLOURS[use] for use in PLAIN_SPLIT}


def test_without_a_counted_slot_there_is_no_chart(source: Source) -> None:
    empty = {**source.tables, "kv_waste": source.tables["kv_waste"].assign(live_share_of_allocated=float("nan"))}
    assert kv_waste.build(dataclasses.replace(source, tables=empty)) is None
