"""Latencies of a serving benchmark's sides, and their comparison."""

from __future__ import annotations

import numpy as np
import pytest

from kvbench.benchmarks.latencies import comparison, hook_share_of_step, pooled, ratio
from kvbench.workload.latencies import Latencies
from kvbench.workload.latencies import latencies as latencies_of


def latencies(tpot_s: list[float]) -> Latencies:
    """Requests with these times per output token, a first token after 1 s and 11 tokens."""
    values = np.array(tpot_s)
    return latencies_of(np.zeros(len(values)), np.ones(len(values)), 1 + 10 * values, np.full(len(values), 11))


def test_percentiles_are_over_all_passes_and_need_enough_requests() -> None:
    few = pooled([latencies([0.1, 0.2]), latencies([0.3])], "tpot_s")
    assert few == {"median_s": pytest.approx(0.2), "p90_s": None, "p99_s": None}
    many = pooled([latencies(list(np.arange(1, 51))), latencies(list(np.arange(51, 102)))], "tpot_s")
    assert list(many.values()) == pytest.approx([51, 91, 100])


def test_the_ratio_is_of_the_passes_medians_pair_by_pair() -> None:
    ours = [latencies([0.1, 0.2, 0.9]), latencies([0.4]), latencies([0.8])]
    other = [latencies([0.1]), latencies([0.4]), latencies([0.4])]
    row = comparison(("a", "b"), ours, other, "tpot_s")
    assert (row["ours"], row["other"], row["measure"], row["requests"]) == ("a", "b", "tpot", 3)
    assert row["ratio"] == pytest.approx(2.0)
    assert (row["ours_median_s"], row["other_median_s"]) == (pytest.approx(0.4), pytest.approx(0.4))
    assert "ratio_ci95_low" not in row


def test_six_passes_have_an_interval_and_passes_without_a_value_do_not_count() -> None:
    found = ratio([2.0] * 6 + [np.nan], [1.0] * 7)
    assert found == {"ratio": 2.0, "ratio_ci95_low": 2.0, "ratio_ci95_high": 2.0}
    assert ratio([np.nan], [1.0]) == {"ratio": None}


def test_recordings_share_of_a_step_leaves_out_pauses() -> None:
    """Six steps 10 ms apart with a pause of a second in each pass; recording takes 0.1 ms a step."""
    ms = 10**6
    times = np.array([0, 10, 20, 1020, 1030, 1040]) * ms
    assert hook_share_of_step([6e-4, 6e-4], [times, times]) == pytest.approx(0.01)
    assert hook_share_of_step([1e-4], [times[:1]]) is None
    assert hook_share_of_step([], []) is None
