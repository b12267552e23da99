"""A schedule of a paged engine, small enough to follow by hand."""

from __future__ import annotations

import numpy as np

from kvbench.kv.groups import ONE_GROUP
from kvbench.kv.schedule import ADMITTED, Schedule


def schedule_of(**changes) -> Schedule:
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
    given |= {"block_group": [0] * len(changes.get("block_step", []))}
    scalars = {"end_ns": 3, "end_free_blocks": 9, "end_requests": 0, "total_blocks": 9, "block_size": 32, "hook_s": 0.0}
    scalars |= {"paging": ONE_GROUP}
    scalars |= {name: changes.pop(name) for name in scalars if name in changes}
    arrays = {name: np.array(values) for name, values in (given | changes).items()}
    return Schedule(**arrays, **scalars)
