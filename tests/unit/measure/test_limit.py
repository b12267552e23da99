"""The limit of a run by its work."""

from __future__ import annotations

from builders.engine_settings import engine_settings
from builders.requests import requests_of

from kvbench.measure.limit import LOAD_S, limit_s
from kvbench.measure.passes import Pass

REQUESTS = tuple(requests_of([(16, 10), (8, 30)]))
ONE = Pass(1, "repeat-1", "all", True, REQUESTS)
STEPS = 10 + 30 + 16 / 8 + 8 / 8


def test_it_grows_with_the_tokens_of_all_passes_and_the_last_arrival() -> None:
    assert limit_s(engine_settings(), 1, [ONE]) == LOAD_S + 0.2 * STEPS
    later = Pass(2, "repeat-2", "all", True, REQUESTS, due_s=(3.0, 50.0))
    assert limit_s(engine_settings(), 1, [ONE, later]) == LOAD_S + 2 * 0.2 * STEPS + 50


def test_it_grows_with_the_weights_by_device() -> None:
    assert limit_s(engine_settings(), 2 * 10**9, [ONE]) == LOAD_S + 10 * STEPS
    assert limit_s(engine_settings(device="cuda"), 2 * 10**10, [ONE]) == LOAD_S + STEPS
