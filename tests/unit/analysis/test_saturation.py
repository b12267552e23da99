"""Saturation: servers of known capacity under known load."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kvbench.analysis.saturation import growth

Times = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # due, start and finish in seconds, and work


def queued(load: float, requests: int, rng: np.random.Generator, slots: int = 8) -> Times:
    """A server with `slots` places at `load` times what it can do; a request takes 0.5 to 1.5 s."""
    due = np.cumsum(rng.exponential(1 / (load * slots), requests))
    free, start, finish = np.zeros(slots), np.empty(requests), np.empty(requests)
    work = rng.uniform(0.5, 1.5, requests)
    for number, arrived in enumerate(due):
        place = free.argmin()
        start[number] = max(arrived, free[place])
        free[place] = finish[number] = start[number] + work[number]
    return due, start, finish, work


def shared(load: float, requests: int, rng: np.random.Generator, slots: int = 8) -> Times:
    """A server that takes all requests at once and is shared evenly by more than `slots`: it has no queue."""
    due = np.cumsum(rng.exponential(1 / (load * slots), requests))
    work, finish = rng.uniform(0.5, 1.5, requests), np.empty(requests)
    left: dict[int, float] = {}
    now, number = 0.0, 0
    while number < requests or left:
        speed = min(1, slots / len(left)) if left else 1
        ends = now + min(left.values()) / speed if left else np.inf
        then = min(ends, due[number]) if number < requests else ends
        left = {one: rest - (then - now) * speed for one, rest in left.items()}
        now = then
        if ends <= then:
            first = min(left, key=left.get)
            finish[first] = now
            del left[first]
        else:
            left[number] = work[number]
            number += 1
    return due, due, finish, work


def ample(request_s: float, requests: int, rng: np.random.Generator, span_s: float = 1.0) -> Times:
    """A server that serves whatever arrives in `span_s` at once; a request takes `request_s` in the mean."""
    due = np.sort(rng.uniform(0, span_s, requests))
    work = rng.exponential(request_s, requests)
    return due, due, due + work, work


def share(server: Callable[..., Times], load: float, requests: int, repeats: int = 1) -> float:
    """Share of 100 simulated points that are found saturated."""
    rng = np.random.default_rng(0)
    points = [growth([server(load, requests, rng) for _ in range(repeats)]) for _ in range(100)]
    return np.mean([point.saturated is True for point in points])


@pytest.mark.parametrize(("requests", "repeats", "found"), [(40, 1, 0.5), (40, 3, 0.7), (200, 1, 0.95)])
def test_twice_the_capacity_is_saturated_and_little_load_is_not(requests: int, repeats: int, found: float) -> None:
    assert share(queued, 2, requests, repeats) >= found
    assert share(queued, 0.3, requests, repeats) <= 0.1
    assert share(queued, 0.6, requests, repeats) <= 0.1


def test_a_server_without_a_queue_is_found_saturated_if_the_run_is_long() -> None:
    assert share(shared, 1.5, 300) >= 0.9
    assert share(shared, 2, 300) >= 0.7
    assert share(shared, 0.6, 300) <= 0.1


@pytest.mark.parametrize("request_s", [0.1, 0.3, 1.0, 3.0])
def test_a_server_that_still_fills_is_not_found_saturated(request_s: float) -> None:
    assert share(ample, request_s, 100) <= 0.15


def test_a_run_shorter_than_its_requests_cannot_tell() -> None:
    due = np.sort(np.random.default_rng(0).uniform(0, 1, 100))
    found = growth([(due, due, due + 3, np.ones(100))])
    assert found.filling == pytest.approx(1, abs=0.01)
    assert 0.5 < found.low < 1
    assert found.saturated is None


def test_long_requests_that_come_last_do_not_look_like_too_many() -> None:
    rng = np.random.default_rng(0)
    lengths = np.repeat([1.0, 40.0], 12)
    arrivals = [np.cumsum(rng.exponential(1, 24)) for _ in range(3)]
    found = growth([(due, due, due + lengths, lengths) for due in arrivals])
    assert found.low > 0
    assert found.filling == pytest.approx(1, abs=0.01)
    assert found.saturated is None


def test_an_engine_that_gets_slower_is_saturated_wherever_its_long_requests_are() -> None:
    due, lengths = np.arange(200.0), np.tile([1.0, 5.0], 100)
    served = lengths * np.maximum(1, due / 20)
    found = growth([(due, due, due + served, lengths)])
    assert found.filling == pytest.approx(0, abs=0.01)
    assert found.saturated


def test_requests_that_wait_do_not_count_as_filling() -> None:
    due = np.arange(400) * 0.1
    start = np.arange(400) * 0.2
    assert growth([(due, start, start + 0.2, np.ones(400))]).filling == pytest.approx(0, abs=1e-9)


def test_growth_is_the_share_of_arrivals_that_is_not_served() -> None:
    due = np.arange(400) * 0.1
    start = np.arange(400) * 0.2  # half of what arrives is served
    found = growth([(due, start, start + 0.2, np.ones(400))])
    assert found.value == pytest.approx(0.5, abs=0.02)
    assert found.saturated


def test_a_steady_system_does_not_grow() -> None:
    due = np.arange(100) * 0.1
    found = growth([(due, due, due + 0.95, np.ones(100))])
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.saturated is False


def test_few_requests_say_nothing() -> None:
    assert growth([(np.arange(19.0), np.arange(19.0), np.arange(19.0) + 1, np.ones(19))]).saturated is None


def test_requests_that_are_all_due_at_once_say_nothing() -> None:
    assert growth([(np.zeros(30), np.zeros(30), np.arange(30.0), np.ones(30))]).saturated is None
