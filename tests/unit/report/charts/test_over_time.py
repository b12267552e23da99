"""Charts over a repeat have the steps that the figure of memory draws."""

from __future__ import annotations

import numpy as np
import pytest
from builders.charts import rows

from kvbench.figures.data.memory import memory_trace
from kvbench.figures.data.steps import MAX_POINTS
from kvbench.files import read_parquet
from kvbench.records import SPLIT
from kvbench.report.charts import at_once, slots
from kvbench.report.charts.source import Source


def test_slots_are_those_of_the_figure(source: Source) -> None:
    chart = slots.build(source)
    [run] = [run for run in source.runs if run.label == "vllm"]
    trace, found = memory_trace(run), rows(chart, engine="vllm")
    assert [row["seconds"] for row in found] == pytest.approx(trace.zoom_s, rel=1e-5)
    for name in (*SPLIT, "pool"):
        assert [row[name] for row in found] == pytest.approx(trace.zoom[name], rel=1e-5)


def test_the_engine_shown_first_is_paged_and_outside_sweeps(source: Source) -> None:
    options = list(slots.build(source).choices[0].options)
    assert options[:4] == ["vllm", "vllm-reserved", "hf-batch", "hf-sequential"]
    assert len(options) == len(source.runs)


def test_requests_at_once_are_those_of_the_first_timed_repeat(source: Source) -> None:
    chart = at_once.build(source)
    [run] = [run for run in source.runs if run.label == "hf-batch"]
    repeat = run.timed("all")[0]["repeat"]
    steps = read_parquet(run.folder / "kv.parquet").to_pandas()
    steps = steps[steps["repeat"] == repeat]
    found = rows(chart, Engine="hf-batch")
    assert len(found) == len(steps) <= MAX_POINTS
    for name in ("running", "waiting"):
        assert [row[name] for row in found] == steps[name].tolist()
    assert np.diff([row["seconds"] for row in found]).min() > 0
