"""What a request's time was spent on, followed by hand through a few steps."""

from __future__ import annotations

import numpy as np
import pytest
from builders.requests import requests_of
from builders.schedules import schedule_of

from kvbench.engines.base import Completion, Generated
from kvbench.kv.schedule import ADMITTED
from kvbench.measure.request_time import Limits, time_parts
from kvbench.records import TIME_PARTS

REQUESTS = requests_of([(4, 3), (5, 2)])
# Steps: the first prompt, a token, a token beside the second prompt, a token; in the last all tokens are on their way.
STEPS = {
    "t_ns": [0, 10, 20, 35, 50],
    "free_blocks": [8, 8, 7, 8, 8],
    "running": [1, 1, 2, 1, 1],
    "waiting": [0] * 5,
    "scheduled_tokens": [4, 1, 6, 1, 0],
    "dump_length": [1, -1, 2, 1, 0],
    "dump_request": [0, 0, 1, 1],
    "dump_tokens": [4, 1, 5, 1],
    "event_step": [0, 2],
    "event_request": [0, 1],
    "event_kind": [ADMITTED] * 2,
    "event_tokens": [0, 0],
    "end_ns": 60,
}


def parts_of(finish_ns: tuple[int, int], in_force: dict) -> list[dict[str, int]]:
    """The parts of both requests, due at 0 and 12, that take time."""
    done = [
        Completion(f"r{i}", [1] * request.output_tokens, 0, 0, finish, due_ns=due, submitted_ns=due, received_ns=due)
        for i, (request, due, finish) in enumerate(zip(REQUESTS, (0, 12), finish_ns, strict=True))
    ]
    limits = Limits.of("vllm", in_force, None)
    found = time_parts(Generated(done, schedule=schedule_of(**STEPS)), REQUESTS, limits, one_by_one=False)
    np.testing.assert_array_equal(found.sum(axis=0), [one.finish_ns - one.due_ns for one in done])
    return [{name: int(ns) for name, ns in zip(TIME_PARTS, own, strict=True) if ns} for own in found.T]


def test_a_step_takes_until_the_next_one() -> None:
    first, second = parts_of((35, 50), {"async_scheduling": False})
    assert first == {"prefill_ns": 10, "decode_ns": 10, "beside_prefill_ns": 15}
    assert second == {"entering_ns": 8, "prefill_ns": 15, "decode_ns": 15}


def test_a_step_that_is_scheduled_ahead_is_computed_after_the_next_one_has_begun() -> None:
    first, second = parts_of((50, 60), {"async_scheduling": True})
    assert first == {"entering_ns": 10, "prefill_ns": 10, "decode_ns": 15, "beside_prefill_ns": 15}
    assert second == {"entering_ns": 23, "prefill_ns": 15, "decode_ns": 10}


@pytest.mark.parametrize("finish_ns", [(50, 55), (45, 50)])
def test_the_parts_end_with_the_last_token(finish_ns: tuple[int, int]) -> None:
    parts_of(finish_ns, {"async_scheduling": True})
