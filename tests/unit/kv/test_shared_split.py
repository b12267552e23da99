"""The split of blocks shared by several requests, from schedules with values known by hand."""

from __future__ import annotations

import numpy as np

from kvbench.kv.paged import rebuild, shared_split
from kvbench.kv.schedule import ADMITTED, Schedule
from kvbench.kv.split import final_kv_length


def schedule_of(**changes):
    """A schedule of two requests with 70 prompt tokens each, 64 of them shared, in a pool of 9 blocks.

    Step 0: both are admitted and 4 blocks are in use. Step 1: one token each. Step 2: nothing is scheduled.
    """
    given = {
        "t_ns": [0, 1, 2],
        "free_blocks": [5, 5, 6],
        "running": [2, 2, 2],
        "waiting": [0, 0, 0],
        "scheduled_tokens": [76, 2, 0],
        "dump_length": [2, -1, 0],
        "dump_request": [0, 1],
        "dump_tokens": [70, 6],
        "event_step": [0, 0],
        "event_kind": [ADMITTED, ADMITTED],
        "event_request": [0, 1],
        "event_tokens": [0, 64],
        "request_ids": ["0", "1"],
        **{key: [] for key in ("block_step", "block_request", "block_tokens", "block_length", "block_ids")},
    }
    arrays = {name: np.array(values) for name, values in (given | changes).items()}
    scalars = {"end_ns": 3, "end_free_blocks": 9, "end_requests": 0, "total_blocks": 9, "block_size": 32, "hook_s": 0.0}
    return Schedule(**arrays, **scalars)


def test_complete_requests_that_share_do_not_count_their_blocks_twice():
    """Each request holds 3 blocks, 4 distinct in all; once both are complete all 4 are finished and nothing is live."""
    schedule = schedule_of(free_blocks=[5, 5, 5])
    split = shared_split(schedule, rebuild(schedule, final_kv_length([70, 70], [2, 2])))
    assert split.live.tolist() == [64 + 2 * 6, 64 + 2 * 7, 0]
    assert split.reserved.tolist() == [2, 0, 0]
    assert split.internal.tolist() == [2 * 25, 2 * 25, 0]
    assert split.finished.tolist() == [0, 0, 4 * 32]


def test_a_complete_requests_own_blocks_are_finished_beside_a_running_one():
    """The second request hits 64 cached tokens and has one block of its own."""
    schedule = schedule_of(free_blocks=[5, 5, 5])
    split = shared_split(schedule, rebuild(schedule, final_kv_length([70, 70], [9, 2])))
    assert split.finished.tolist() == [0, 0, 32]
    assert split.live.tolist() == [64 + 2 * 6, 64 + 2 * 7, 64 + 7]
    assert split.allocated.tolist() == [128, 128, 128]
