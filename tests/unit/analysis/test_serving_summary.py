"""What a repeat came to, counted by hand."""

import numpy as np
import pytest

from kvbench.analysis.serving_summary import METRICS, medians, summary


def test_a_repeat_by_hand():
    """Ten requests, one a second; the first is before the window."""
    due = np.arange(10.0)
    found = summary(due, due + 0.5, due + np.where(due < 1, 50, 2.5), np.full(10, 5), (0.5, 0.5))
    assert found == {
        "normalized_latency_mean_s": 0.5,
        "ttft_median_s": 0.5,
        "ttft_p90_s": None,  # nine requests
        "ttft_p99_s": None,
        "tpot_median_s": 0.5,
        "tpot_p90_s": None,
        "tpot_p99_s": None,
        "completed_per_s": 10 / 50,
        "within_slo_share": 1.0,
    }
    assert tuple(found) == METRICS


def test_requests_of_one_token_have_no_time_per_token_and_a_share_is_of_the_window():
    due = np.linspace(0, 10, 201)
    tokens = np.where(np.arange(201) % 2, 1, 3)
    found = summary(due, due + np.where(due < 5, 1, 3), due + np.where(due < 5, 1, 3), tokens, (2.0, 1.0))
    assert found["tpot_median_s"] == 0
    assert found["ttft_p99_s"] == pytest.approx(3)
    assert found["within_slo_share"] == pytest.approx(80 / 181)
    only_one = summary(due, due + 1, due + 1, np.ones(201, int), (2.0, 1.0))
    assert (only_one["tpot_median_s"], only_one["tpot_p90_s"]) == (None, None)


def test_medians_are_of_repeats_and_empty_where_one_knows_nothing():
    one = dict.fromkeys(METRICS, 1.0)
    found = medians([one, {**one, "ttft_p99_s": None}, {**one, "ttft_p90_s": 5.0}])
    assert (found["ttft_p99_s"], found["ttft_p90_s"], found["tpot_p90_s"]) == (None, 1.0, 1.0)
    assert medians([]) == dict.fromkeys(METRICS)
