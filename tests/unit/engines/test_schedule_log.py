"""The log of a pass: requests get numbers when it has ended, in order of their first admission."""

from __future__ import annotations

import numpy as np

from kvbench.engines.schedule_log import ScheduleLog
from kvbench.kv.schedule import ADMITTED, FREED, PREEMPTED, SAME_AS_BEFORE, Schedule


def step(log: ScheduleLog, scheduled: dict[str, int], running: int) -> None:
    log.step(log.steps, 9, running, 0, sum(scheduled.values()), scheduled)


def ended(log: ScheduleLog) -> Schedule:
    return log.schedule(end_free_blocks=9, end_requests=0, total_blocks=9, block_size=16, hook_s=0.0)


def filled() -> ScheduleLog:
    """`b` before `a`; `a` is preempted and comes back; `c` waits, is never admitted, and is given up."""
    log = ScheduleLog()
    log.event(PREEMPTED, "a")  # Transformers queues a new request as it does a preempted one
    log.event(ADMITTED, "b", 4)
    log.event(ADMITTED, "a")
    step(log, {"b": 7, "a": 3}, 2)
    step(log, {"b": 1, "a": 1}, 2)
    step(log, {"b": 1, "a": 1}, 2)
    log.event(PREEMPTED, "a")
    log.event(FREED, "c")
    step(log, {"b": 1}, 1)
    log.event(FREED, "b")
    log.event(ADMITTED, "a", 2)
    log.read_blocks("a", 5, [3, 1])
    step(log, {"a": 4}, 1)
    return log


def test_requests_are_numbered_by_their_first_admission() -> None:
    found = ended(filled())
    assert found.request_ids.tolist() == ["b", "a"]
    events = np.stack([found.event_step, found.event_kind, found.event_request, found.event_tokens], axis=1)
    assert events.tolist() == [
        [0, ADMITTED, 0, 4],
        [0, ADMITTED, 1, 0],
        [3, PREEMPTED, 1, 0],
        [4, FREED, 0, 0],
        [4, ADMITTED, 1, 2],
    ]


def test_one_more_token_for_the_same_requests_keeps_nothing() -> None:
    found = ended(filled())
    assert found.dump_length.tolist() == [2, SAME_AS_BEFORE, SAME_AS_BEFORE, 1, 1]
    assert found.dump_request.tolist() == [0, 1, 0, 1]
    assert found.dump_tokens.tolist() == [7, 3, 1, 4]


def test_readings_of_blocks_have_their_request_and_step() -> None:
    found = ended(filled())
    read = (found.block_step, found.block_request, found.block_tokens, found.block_length, found.block_group)
    assert [column.tolist() for column in read] == [[4], [1], [5], [2], [0]]
    assert found.block_ids.tolist() == [3, 1]


def test_an_empty_log_has_the_shapes_of_a_schedule() -> None:
    found = ended(ScheduleLog())
    assert [len(found.t_ns), len(found.event_step), len(found.dump_request), len(found.block_request)] == [0, 0, 0, 0]


def test_steps_whose_tokens_were_not_seen_are_counted_back_to_the_oldest() -> None:
    """A step ahead, a step without tokens, and then two ahead, as with a deeper queue of batches."""
    log = ScheduleLog(runs_ahead=True)
    log.event(ADMITTED, "a")
    for number, (tokens, seen) in enumerate([(3, 0), (1, 0), (1, 1), (0, 2), (0, 3), (1, 3), (1, 3), (1, 3)]):
        log.step(number, 9, 1, 0, tokens, {"a": tokens} if tokens else {}, seen)
    assert ended(log).unsettled.tolist() == [0, 1, 1, 1, 0, 0, 1, 2]


def test_a_scheduler_that_is_never_ahead_has_no_such_count() -> None:
    assert len(ended(filled()).unsettled) == 0
