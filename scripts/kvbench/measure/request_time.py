"""What a request's time was spent on, from when it was due to its last token, by the record of the engine's steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kvbench.engines.base import Completion, Generated
from kvbench.engines.names import RESERVED_ROWS
from kvbench.kv.contiguous import BatchRecord
from kvbench.kv.paged import states
from kvbench.kv.schedule import PREEMPTED, Schedule
from kvbench.records import TIME_PARTS
from kvbench.workload.read import Request

ENTERING, MEMORY, LIMIT, PREFILL, DECODE, BESIDE, AGAIN, BATCH = range(len(TIME_PARTS))

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Limits:
    """Limits of a step other than memory: requests and tokens (None: none). Of a padded batch, none but its budget.

    `rows_are_memory`: the number of requests follows from the reservations that the pool holds.
    `ahead`: steps that are scheduled while the one before is computed.
    """

    requests: int | None
    tokens: int | None
    rows_are_memory: bool
    ahead: int = 0

    @classmethod
    def of(cls, engine: str, in_force: dict, batch_rows: int | None) -> Limits:
        """The limits of an engine, from what it reports."""
        options = in_force.get("options") or {}
        tokens = in_force.get("max_num_batched_tokens") or options.get("max_batch_tokens")
        return cls(batch_rows, tokens, engine in RESERVED_ROWS, 1 if in_force.get("async_scheduling") else 0)


def time_parts(generated: Generated, requests: Sequence[Request], limits: Limits, one_by_one: bool) -> Times | None:
    """Nanoseconds of `records.TIME_PARTS`, shape (parts, R), in the order of `requests`; None without arrivals.

    `one_by_one`: the engine serves one request at a time, so that none waits for memory.
    """
    done = generated.completions
    if not done or done[0].due_ns is None:
        return None
    if generated.schedule is not None:
        return _of_steps(generated.schedule, requests, done, limits)
    return _of_batches(generated.batches, done, one_by_one) if generated.batches else None


def _of_steps(schedule: Schedule, requests: Sequence[Request], done: Sequence[Completion], limits: Limits) -> Times:
    order = schedule.submission_order()
    prompt, final = (np.array([getattr(requests[at], n) for at in order]) for n in ("prompt_tokens", "final_kv_tokens"))
    due, entered, finish = (np.array([t[place] for place in order], np.int64) for t in _bounds(done))
    parts = np.zeros((len(TIME_PARTS), len(order)), np.int64)
    begins, ends = _computed(schedule.t_ns, limits.ahead)
    # A request enters at the first step that is scheduled after it was received, when that begins to be computed.
    entry = np.minimum(begins[np.searchsorted(schedule.t_ns, entered)], finish)
    parts[ENTERING] = entry - due
    spent = np.full(len(order), ENTERING)
    for step, kinds in enumerate(_kinds(schedule, prompt, final, _reasons(schedule, limits))):
        spent = np.where(kinds < 0, spent, kinds)
        inside = (entry <= begins[step]) & (begins[step] < finish)
        passed = np.minimum(ends[step], finish) - begins[step]
        np.add.at(parts, (spent[inside], np.flatnonzero(inside)), passed[inside])
    found = np.zeros_like(parts)
    found[:, order] = parts
    return found


def _computed(t_ns: Times, ahead: int) -> tuple[Times, Times]:
    """From when to when each step is computed, shape (S,): until the next one is, and the last one without end."""
    edges = np.append(t_ns[ahead:], np.full(ahead + 1, np.iinfo(np.int64).max))
    return edges[:-1], edges[1:]


def _bounds(done: Sequence[Completion]) -> tuple[list[int], list[int], list[int]]:
    """When each request was due, was received (or, if that is unknown, submitted) and had its last token."""
    entered = [c.submitted_ns if c.received_ns is None else c.received_ns for c in done]
    return [c.due_ns for c in done], entered, [c.finish_ns for c in done]


def _reasons(schedule: Schedule, limits: Limits) -> Times:
    """Why the requests that wait at each step do so, MEMORY or LIMIT, shape (S,)."""
    of_requests = schedule.running >= (limits.requests or np.iinfo(np.int32).max)
    of_tokens = schedule.scheduled_tokens >= (limits.tokens or np.iinfo(np.int32).max)
    return np.where(of_tokens | (of_requests & (not limits.rows_are_memory)), LIMIT, MEMORY)


def _kinds(schedule: Schedule, prompt: Times, final: Times, reasons: Times) -> Iterator[Times]:
    """At each step what it is for each request, shape (R,): an index of TIME_PARTS, or -1 for as before (complete)."""
    reached = np.zeros(len(prompt), np.int64)
    was_preempted = np.zeros(len(prompt), bool)
    events = np.searchsorted(schedule.event_step, np.arange(len(schedule.t_ns) + 1))
    for step, (held, stored, _, new) in enumerate(states(schedule)):
        happened = slice(events[step], events[step + 1])
        was_preempted[schedule.event_request[happened][schedule.event_kind[happened] == PREEMPTED]] = True
        before = stored - new
        again = was_preempted & (before < reached)
        fills = (new > 0) & (again | (before < prompt))
        kinds = np.where(was_preempted, AGAIN, reasons[step])
        kinds[held] = LIMIT
        kinds[new > 0] = np.where(fills.any(), BESIDE, DECODE)
        kinds[fills] = PREFILL
        kinds[(new > 0) & again] = AGAIN
        kinds[(stored >= final) & (new == 0)] = -1
        reached = np.maximum(reached, stored)
        yield kinds


def _of_batches(batches: Sequence[BatchRecord], done: Sequence[Completion], one_by_one: bool) -> Times:
    """Of padded batches: a request waits for the batch under way, then for each batch that left it out."""
    starts = np.array([batch.start_ns for batch in batches], np.int64)
    parts = np.zeros((len(TIME_PARTS), len(done)), np.int64)
    place = 0
    for batch in batches:
        for row in range(len(batch.request_ids)):
            one = done[place]
            alone = len(batch.request_ids) == 1
            last = one.finish_ns if alone else batch.t_ns[batch.output_tokens[row] - 1]
            seen = starts[np.searchsorted(starts, one.received_ns)]  # the first batch that could have taken it
            parts[ENTERING, place] = seen - one.due_ns
            parts[LIMIT if one_by_one else MEMORY, place] = batch.start_ns - seen
            parts[PREFILL, place] = batch.t_ns[0] - batch.start_ns
            parts[DECODE, place] = last - batch.t_ns[0]
            parts[BATCH, place] = one.finish_ns - last
            place += 1
    return parts
