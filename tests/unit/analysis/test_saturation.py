"""Saturation: servers of known capacity under known load."""

from __future__ import annotations

import numpy as np
import pytest

from kvbench.analysis.saturation import growth


def served(load: float, requests: int, rng: np.random.Generator, slots: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """(due, finish) of a server with `slots` places at `load` times what it can do; a request takes 0.5 to 1.5 s."""
    due = np.cumsum(rng.exponential(1 / (load * slots), requests))
    free, finish = np.zeros(slots), np.empty(requests)
    for number, arrived in enumerate(due):
        place = free.argmin()
        free[place] = finish[number] = max(arrived, free[place]) + rng.uniform(0.5, 1.5)
    return due, finish


def share(load: float, requests: int, repeats: int = 1) -> float:
    """Share of 100 simulated points that are found saturated."""
    rng = np.random.default_rng(0)
    points = [growth([served(load, requests, rng) for _ in range(repeats)]) for _ in range(100)]
    return np.mean([point.saturated for point in points])


@pytest.mark.parametrize(("requests", "repeats", "found"), [(40, 1, 0.6), (40, 3, 0.9), (200, 1, 0.95)])
def test_twice_the_capacity_is_saturated_and_little_load_is_not(requests: int, repeats: int, found: float) -> None:
    assert share(2, requests, repeats) >= found
    assert share(0.3, requests, repeats) <= 0.1
    assert share(0.6, requests, repeats) <= 0.1


def test_growth_is_the_share_of_arrivals_that_is_not_served() -> None:
    due = np.arange(400) * 0.1
    found = growth([(due, np.arange(1, 401) * 0.2)])  # half of what arrives is served
    assert found.value == pytest.approx(0.5, abs=0.02)
    assert found.saturated


def test_a_steady_system_does_not_grow() -> None:
    due = np.arange(100) * 0.1
    found = growth([(due, due + 0.95)])
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.saturated is False


def test_few_requests_say_nothing() -> None:
    assert growth([(np.arange(19.0), np.arange(19.0) + 1)]).saturated is None


def test_requests_that_are_all_due_at_once_say_nothing() -> None:
    assert growth([(np.zeros(30), np.arange(30.0))]).saturated is None
