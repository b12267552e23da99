"""The chart of throughput holds the medians, intervals and repeats of the table and the runs."""

from __future__ import annotations

import dataclasses

import pytest
from builders.charts import rows

from kvbench.analysis.tables.throughput import rates
from kvbench.figures.style import look
from kvbench.figures.words import value_text
from kvbench.report.charts import throughput
from kvbench.report.charts.source import Source


def test_medians_and_intervals_are_those_of_the_table(source: Source) -> None:
    chart = throughput.build(source)
    table = source.rows("throughput")
    all_of, subset = chart.choices[0].options
    assert (all_of, subset) == ("all 12 requests", "2 of them, also served one at a time")
    found = rows(chart, median=...)
    assert len(found) == len(table)
    for scope, title in (("all", all_of), ("sequential", subset)):
        for row in table[table["scope"] == scope].to_dict("records"):
            [drawn] = [one for one in found if (one["name"], one["requests"]) == (row["label"], title)]
            wanted = [row[f"output_tokens_per_s_{end}"] for end in ("median", "ci95_low", "ci95_high")]
            assert [drawn["median"], drawn["low"], drawn["high"]] == pytest.approx(wanted, rel=1e-5)
            assert drawn["Output tokens per second"] == value_text(wanted[0])


def test_every_timed_repeat_is_a_dot(source: Source) -> None:
    found = rows(throughput.build(source), value=..., name="vllm", requests="all 12 requests")
    [run] = [run for run in source.runs if run.label == "vllm"]
    wanted = [rates(repeat)["output_tokens_per_s"] for repeat in run.timed("all")]
    assert [row["value"] for row in found] == pytest.approx(wanted, rel=1e-5)
    assert [row["Repeat"] for row in found][::5] == ["1 of 6", "6 of 6"]


def test_colours_are_those_of_the_figures(source: Source) -> None:
    legend = {key.name: key.colour for key in throughput.build(source).legend}
    assert legend == {name: look(name).colour for name in ("hf-sequential", "hf-batch", "vllm-reserved", "vllm")}


def test_without_a_run_there_is_no_chart(source: Source) -> None:
    assert throughput.build(dataclasses.replace(source, all_runs=[])) is None
