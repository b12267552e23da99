"""The chart of latency is the distribution of the figure's samples."""

from __future__ import annotations

import numpy as np
import pytest
from builders.charts import rows

from kvbench.figures.data.latencies import Latency, latencies
from kvbench.report.charts import latency
from kvbench.report.charts.source import Source


def test_each_sample_is_a_step_of_the_distribution(source: Source) -> None:
    chart = latency.build(source)
    [own] = [one for one in latencies(source.runs, list(latency.METRICS)) if one.label == "vllm"]
    for metric, title in latency.METRICS.items():
        found = rows(chart, metric=title, Engine="vllm")
        values = np.sort(own.samples[metric])
        assert len(values) == 6 * 12
        assert [row["seconds"] for row in found] == pytest.approx(values, rel=1e-5)
        assert [row["percent"] for row in found] == pytest.approx(100 * np.arange(1, 73) / 72, rel=1e-5)


def test_many_samples_are_thinned_without_the_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.linspace(1, 2, 40_000)
    one = Latency("vllm", "vllm", 40_000, 1, False, dict.fromkeys(latency.METRICS, values))
    found = [row for row in latency._values([one, one]) if row["metric"] == "End to end"]
    assert len(found) <= latency.MAX_POINTS
    assert (found[0]["seconds"], found[len(found) // 2 - 1]["percent"]) == (1, 100)
    for row in found[:: len(found) // 7]:
        assert row["percent"] == pytest.approx(100 * np.mean(values <= row["seconds"]))


def test_requests_that_come_back_with_their_batch_are_marked(source: Source) -> None:
    names = {row["Engine"] for row in rows(latency.build(source))}
    assert {"hf-batch, handed back with its batch", "vllm"} <= names
