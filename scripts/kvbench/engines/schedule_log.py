"""The record of one pass of a paged engine, kept in append-only arrays while it runs.

A step appends a row of counters and, if the set of requests has changed, a copy of the scheduled-token counts.
`kvbench.kv.paged` rebuilds the slots afterwards. The engine waits for it, so a step makes few calls.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable

import numpy as np

from kvbench.kv.groups import ONE_GROUP, Paging
from kvbench.kv.schedule import ADMITTED, Schedule

# Columns of `Schedule`, in the order in which they are appended.
SAMPLED = ("free_blocks", "running", "waiting", "scheduled_tokens", "dump_length", "unsettled")
READ = ("block_step", "block_request", "block_tokens", "block_length", "block_group")


class ScheduleLog:
    """Steps, events and block ids of a pass, of a scheduler that `runs_ahead` of the tokens it has seen or does not."""

    def __init__(self, *, runs_ahead: bool = False) -> None:
        self.runs_ahead = runs_ahead
        self.steps = 0
        self.samples = array("q")  # nanoseconds and SAMPLED
        self.dump_request, self.dump_tokens = array("i"), array("i")
        self.events = array("i")  # step, kind, request, tokens
        self.blocks = array("i")  # READ
        self.block_ids = array("i")
        self.index: dict[str, int] = {}
        self.changed, self.all_scheduled = True, False

    def event(self, kind: int, request_id: str, tokens: int = 0) -> None:
        """Note that a known request was admitted, preempted or freed before the next sample."""
        if request_id in self.index:
            self.events.extend((self.steps, kind, self.index[request_id], tokens))
            self.changed = True

    def admit(self, request_id: str, tokens: int) -> None:
        """Note that a new or preempted request was admitted and starts with `tokens` computed tokens."""
        self.index.setdefault(request_id, len(self.index))
        self.event(ADMITTED, request_id, tokens)

    def goes_on(self, scheduled: int, total_tokens: int, running: int) -> bool:
        """Whether this step repeats the last one: the same requests, one token for each running request."""
        every_one = scheduled == running
        same = every_one and total_tokens == running and self.all_scheduled and not self.changed
        self.all_scheduled, self.changed = every_one, False
        return same

    def dump(self, request_ids: Iterable[str], tokens: Iterable[int]) -> int:
        """Copy the scheduled tokens of each request; return the number of requests, for `sample`."""
        before = len(self.dump_request)
        self.dump_request.extend(map(self.index.__getitem__, request_ids))
        self.dump_tokens.extend(tokens)
        return len(self.dump_request) - before

    def sample(self, t_ns: int, *counts: int) -> None:
        """End the step with its time and its SAMPLED; `dump_length` is SAME_AS_BEFORE if the step repeats the last."""
        self.samples.extend((t_ns, *counts))
        self.steps += 1

    def read_blocks(self, request_id: str, computed_tokens: int, ids: Iterable[int], group: int = 0) -> None:
        """Copy the block ids of a request's table of a group before the step's sample."""
        before = len(self.block_ids)
        self.block_ids.extend(ids)
        read = len(self.block_ids) - before
        self.blocks.extend((self.steps, self.index[request_id], computed_tokens, read, group))

    def schedule(
        self,
        *,
        end_free_blocks: int,
        end_requests: int,
        total_blocks: int,
        block_size: int,
        hook_s: float,
        paging: Paging = ONE_GROUP,
    ) -> Schedule:
        """The finished record, once all requests have returned their blocks."""
        t_ns, *counts = np.array(self.samples, np.int64).reshape(-1, 1 + len(SAMPLED)).T
        sampled = {name: column.astype(np.int32) for name, column in zip(SAMPLED, counts, strict=True)}
        if not self.runs_ahead:
            del sampled["unsettled"]
        events = np.array(self.events, np.int32).reshape(-1, 4)
        blocks = np.array(self.blocks, np.int32).reshape(-1, 5)
        return Schedule(
            t_ns=t_ns,
            **sampled,
            dump_request=np.array(self.dump_request, np.int32),
            dump_tokens=np.array(self.dump_tokens, np.int32),
            event_step=events[:, 0],
            event_kind=events[:, 1].astype(np.int8),
            event_request=events[:, 2],
            event_tokens=events[:, 3],
            request_ids=np.array(list(self.index), np.str_),
            **dict(zip(READ, blocks.T, strict=True)),
            block_ids=np.array(self.block_ids, np.int32),
            end_ns=time.monotonic_ns(),
            end_free_blocks=end_free_blocks,
            end_requests=end_requests,
            total_blocks=total_blocks,
            block_size=block_size,
            hook_s=hook_s,
            paging=paging,
        )
