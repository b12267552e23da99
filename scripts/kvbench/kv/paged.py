"""Rebuild the split of a paged cache at every step from the recorded schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.paged_groups import GroupSteps, Settled
from kvbench.kv.schedule import ADMITTED, PREEMPTED, SAME_AS_BEFORE, Schedule
from kvbench.kv.split import Slots, Split


@dataclass(frozen=True)
class Rebuilt:
    """The split at each of S steps, in all and of each group, and further counts; arrays of shape (S,)."""

    split: Split
    by_group: tuple[Split, ...]
    blocks: Slots  # from tokens: the blocks of all requests that hold any, each with its own
    tails: Slots  # empty places of those requests' last blocks, in tokens of a page
    ended_own: Slots  # slots of complete requests that still hold blocks, without their prefix hits
    running: Slots  # requests that hold blocks and are not complete
    preemptions: Slots  # cumulative
    prefix_hit_tokens: Slots  # cumulative
    found: Split  # of `split`, what running requests hold as prefix hits and does not serve them: expired, page padding


def rebuild(schedule: Schedule, final: NDArray[np.int64]) -> Rebuilt:
    """Replay the schedule of requests whose final KV lengths are `final`, shape (R,), in the schedule's order."""
    steps = len(schedule.t_ns)
    running = np.zeros(steps, np.int64)
    groups = [GroupSteps(schedule, group) for group in schedule.paging.groups]
    settled = Settled(schedule)
    for step, (held, stored, hits, new) in enumerate(states(schedule)):
        ended = _have_ended(held, stored, final, new)
        running[step] = len(held) - ended.sum()
        seen = settled.tokens(step, stored, new)
        for group in groups:
            group.add(step, stored[held], final[held], ended, hits[held], seen[held])
    by_group = tuple(group.split for group in groups)
    return Rebuilt(
        reduce(Split.plus, by_group),
        by_group,
        sum(group.blocks for group in groups),
        sum(group.tails for group in groups),
        sum(group.ended_own for group in groups),
        running,
        _cumulative(schedule, steps, schedule.event_kind == PREEMPTED, None),
        _cumulative(schedule, steps, schedule.event_kind == ADMITTED, schedule.event_tokens),
        reduce(Split.plus, [group.found for group in groups]),
    )


def shared_split(schedule: Schedule, rebuilt: Rebuilt) -> Split:
    """The split with shared blocks: blocks in use come from the free list, and a shared block counts once.

    Only full blocks are shared, so each request has its own tail and live = allocated - tails, with tails from tokens.
    The blocks that a complete request did not find as prefix hits are finished; if no request runs, all blocks are.
    Prefix hits are live as a whole: whether another request still attends to them is not known at every step.
    """
    allocated = blocks_in_use(schedule) * schedule.block_size * schedule.paging.page_units
    own = rebuilt.split
    finished = np.where(rebuilt.running > 0, rebuilt.ended_own, allocated)
    expired, page_padding = own.expired - rebuilt.found.expired, own.page_padding - rebuilt.found.page_padding
    live = allocated - own.reserved - own.internal - finished - expired - page_padding
    return own._replace(live=live, finished=finished, expired=expired, page_padding=page_padding)


def readers_state(schedule: Schedule, final: NDArray[np.int64]) -> tuple[Slots, NDArray[np.bool_]]:
    """Of each request and step whose block ids were read, shape (B,): its prefix hits, and whether it has ended."""
    hits, ended = np.zeros(len(schedule.block_step), np.int64), np.zeros(len(schedule.block_step), bool)
    begins = np.searchsorted(schedule.block_step, np.arange(len(schedule.t_ns) + 1))
    for step, (_, stored, found, new) in enumerate(states(schedule)):
        rows = slice(begins[step], begins[step + 1])
        requests = schedule.block_request[rows]
        hits[rows] = found[requests]
        ended[rows] = _have_ended(requests, stored, final, new)
    return hits, ended


def _have_ended(
    requests: NDArray[np.integer], stored: Slots, final: NDArray[np.int64], new: Slots
) -> NDArray[np.bool_]:
    """Complete requests that this step does not schedule any more."""
    return (stored[requests] == final[requests]) & (new[requests] == 0)


def blocks_in_use(schedule: Schedule) -> Slots:
    """Blocks that are not on the free list, shape (S,)."""
    return (schedule.total_blocks - schedule.free_blocks).astype(np.int64)


def states(schedule: Schedule) -> Iterator[tuple[NDArray[np.int64], Slots, Slots, Slots]]:
    """At each step: indices of the requests that hold blocks; of each request, shape (R,), in tokens: what is stored
    after the step, its prefix hits, and what the step computes for it. The arrays are changed by the next step.
    """
    requests = len(schedule.request_ids)
    stored, hits, new = np.zeros((3, requests), np.int64)
    holds = np.zeros(requests, bool)
    last = np.zeros(0, np.int64)
    event, dump = 0, 0
    for step, length in enumerate(schedule.dump_length):
        while event < len(schedule.event_step) and schedule.event_step[event] <= step:
            request, kind = schedule.event_request[event], schedule.event_kind[event]
            holds[request] = kind == ADMITTED
            stored[request] = hits[request] = schedule.event_tokens[event] if kind == ADMITTED else 0
            event += 1
        new[:] = 0
        if length == SAME_AS_BEFORE:
            new[last] = 1
        else:
            last = schedule.dump_request[dump : dump + length]
            new[last] = schedule.dump_tokens[dump : dump + length]
            dump += length
        stored += new
        yield np.flatnonzero(holds), stored, hits, new


def _cumulative(schedule: Schedule, steps: int, chosen: NDArray[np.bool_], weight: NDArray | None) -> Slots:
    """Events (or their weights) up to and including each step."""
    inside = chosen & (schedule.event_step < steps)
    weights = None if weight is None else weight[inside]
    return np.cumsum(np.bincount(schedule.event_step[inside], weights, minlength=steps)).astype(np.int64)
