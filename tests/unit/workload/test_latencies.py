"""Latencies of requests, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from kvbench.workload.latencies import in_window, latencies, of_requests, within


def test_latencies_count_from_when_a_request_is_due():
    found = latencies([1.0, 2.0], [1.5, 4.0], [3.5, 9.0], [5, 11])
    assert found.ttft_s.tolist() == [0.5, 2.0]
    assert found.tpot_s.tolist() == [0.5, 0.5]
    assert found.e2e_s.tolist() == [2.5, 7.0]
    assert found.normalized_s == pytest.approx([0.5, 7 / 11])


def test_one_output_token_has_no_time_per_token():
    found = latencies([0.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1, 2])
    assert np.isnan(found.tpot_s[0])
    assert found.tpot_s[1] == 1
    assert found.normalized_s.tolist() == [1.0, 1.0]


def test_a_request_without_output_is_refused():
    with pytest.raises(ValueError, match="output token"):
        latencies([0.0], [1.0], [1.0], [0])


def test_the_window_begins_after_a_tenth_of_the_span_from_the_first_arrival():
    assert in_window([10.0, 10.9, 11.0, 15.0, 20.0]).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize(("due_s", "counted"), [([], []), ([3.0], [True]), ([2.0, 2.0], [True, True])])
def test_without_a_span_every_request_counts(due_s, counted):
    assert in_window(due_s).tolist() == counted


def test_both_limits_must_hold_and_a_missing_time_per_token_fails_none():
    found = latencies([0.0] * 4, [1.0, 1.0, 1.1, 1.0], [2.0, 4.0, 2.1, 1.0], [2, 2, 2, 1])
    assert within(found, 1.0, 1.0).tolist() == [True, False, False, True]


def test_a_choice_of_requests_keeps_all_four_arrays():
    found = latencies([0.0, 0.0], [1.0, 2.0], [3.0, 5.0], [3, 4]).of(np.array([False, True]))
    assert (found.ttft_s, found.tpot_s, found.e2e_s, found.normalized_s) == ([2.0], [1.0], [5.0], [1.25])


def test_rows_of_a_run_count_from_when_they_were_due_and_one_token_has_no_time_per_token():
    rows = pd.DataFrame(
        {"due_s": [2.0, 3.0], "first_token_s": [2.5, 3.25], "finish_s": [4.5, 3.25], "output_tokens": [5, 1]}
    )
    found = of_requests(rows)
    assert found.ttft_s.tolist() == [0.5, 0.25]
    assert found.e2e_s.tolist() == [2.5, 0.25]
    assert found.known("tpot_s").tolist() == [0.5]
