"""A queue that grows is seen, and one that only varies is not."""

import numpy as np
import pytest

from kvbench.analysis.saturation import queue_slope, saturated, waiting_at_arrivals
from kvbench.workload.arrivals import due_s


def served(per_s, service_s, pattern, count=400):
    """Due and start times of a queue with one server."""
    due = due_s(count, per_s, 0, pattern)
    start, free = [], 0.0
    for arrival in due:
        start.append(max(arrival, free))
        free = start[-1] + service_s
    return due, np.array(start)


def test_waiting_is_what_is_due_and_not_yet_scheduled():
    assert waiting_at_arrivals([0.0, 1.0, 2.0, 3.0], [0.0, 1.5, 2.5, 3.5]).tolist() == [0, 1, 1, 1]


def test_a_slope_by_hand():
    """Nothing starts, so that the queue grows by one request a second."""
    slope, error = queue_slope(np.arange(10.0), np.full(10, 99.0))
    assert slope == pytest.approx(1)
    assert error == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("repeats", [1, 4])
def test_more_than_can_be_served_is_saturated(repeats):
    assert saturated([queue_slope(*served(1.0, 1.3, pattern)) for pattern in range(1, repeats + 1)])


def test_less_than_can_be_served_is_not():
    assert saturated([queue_slope(*served(1.0, 0.6, pattern)) for pattern in range(1, 5)]) is False


@pytest.mark.parametrize("due", [[], [1.0], [0.0, 1.0, 2.0], [2.0] * 9])
def test_without_a_slope_nothing_is_said(due):
    assert queue_slope(due, due) is None
    assert saturated([queue_slope(due, due)]) is None
