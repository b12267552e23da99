"""Rebuild the split of a paged cache at every step from the recorded schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.schedule import ADMITTED, PREEMPTED, SAME_AS_BEFORE, Schedule
from kvbench.kv.split import Slots, Split, split_paged


@dataclass(frozen=True)
class Rebuilt:
    """The split at each of S steps, and what the steps say beside it; arrays of shape (S,)."""

    split: Split
    blocks: Slots  # from tokens: sum of ceil(n / block_size) over the requests that hold blocks
    preemptions: Slots  # cumulative
    prefix_hit_tokens: Slots  # cumulative


def rebuild(schedule: Schedule, final: NDArray[np.int64]) -> Rebuilt:
    """Replay the schedule of requests whose final KV lengths are `final`, shape (R,), in the schedule's order."""
    steps = len(schedule.t_ns)
    parts = np.zeros((5, steps), np.int64)
    blocks = np.zeros(steps, np.int64)
    for step, (held, stored, scheduled) in enumerate(_states(schedule)):
        ended = (stored[held] == final[held]) & ~scheduled[held]
        split = split_paged(stored[held], final[held], ended, schedule.block_size)
        parts[:, step] = [part.sum() for part in split]
        blocks[step] = split.allocated.sum() // schedule.block_size
    return Rebuilt(
        Split(*parts),
        blocks,
        _cumulative(schedule, steps, schedule.event_kind == PREEMPTED, None),
        _cumulative(schedule, steps, schedule.event_kind == ADMITTED, schedule.event_tokens),
    )


def shared_split(schedule: Schedule, rebuilt: Rebuilt) -> Split:
    """The split where blocks are shared: blocks in use come from the free list, and a shared block counts once.

    Each running request's tail is private, so live = allocated - tails, with tails from tokens.
    """
    allocated = (schedule.total_blocks - schedule.free_blocks).astype(np.int64) * schedule.block_size
    own = rebuilt.split
    live = allocated - own.reserved - own.internal - own.finished
    return own._replace(live=live)


def _states(schedule: Schedule) -> Iterator[tuple[NDArray[np.int64], Slots, NDArray[np.bool_]]]:
    """At each step: indices of requests that hold blocks, tokens stored by request, whether scheduled now."""
    requests = len(schedule.request_ids)
    stored = np.zeros(requests, np.int64)
    holds = np.zeros(requests, bool)
    scheduled = np.zeros(requests, bool)
    last = np.zeros(0, np.int64)
    event, dump = 0, 0
    for step, length in enumerate(schedule.dump_length):
        while event < len(schedule.event_step) and schedule.event_step[event] <= step:
            request, kind = schedule.event_request[event], schedule.event_kind[event]
            holds[request] = kind == ADMITTED
            stored[request] = schedule.event_tokens[event] if kind == ADMITTED else 0
            event += 1
        if length == SAME_AS_BEFORE:
            stored[last] += 1
        else:
            last = schedule.dump_request[dump : dump + length]
            stored[last] += schedule.dump_tokens[dump : dump + length]
            dump += length
        scheduled[:] = False
        scheduled[last] = True
        yield np.flatnonzero(holds), stored, scheduled


def _cumulative(schedule: Schedule, steps: int, chosen: NDArray[np.bool_], weight: NDArray | None) -> Slots:
    """Events (or their weights) up to and including each step."""
    inside = chosen & (schedule.event_step < steps)
    weights = None if weight is None else weight[inside]
    return np.cumsum(np.bincount(schedule.event_step[inside], weights, minlength=steps)).astype(np.int64)
