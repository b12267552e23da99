"""The record of one pass of a paged engine, appended to while it runs.

A step appends one tuple: counters and, if the set of requests has changed, the engine's own scheduled-token counts. The
engine waits for it, and what it touches has left the CPU's caches since the last step. A step therefore makes few calls
and touches few objects: columns, and numbers in place of names, are made when the pass has ended. `kvbench.kv.paged`
rebuilds the slots afterwards.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.groups import ONE_GROUP, Paging
from kvbench.kv.schedule import ADMITTED, SAME_AS_BEFORE, Schedule

COUNTS = ("free_blocks", "running", "waiting", "scheduled_tokens")  # of a step, in the order in which it has them
READ = ("block_step", "block_tokens", "block_length", "block_group")


class ScheduleLog:
    """Steps, events and block ids of a pass, of a scheduler that `runs_ahead` of the tokens it has seen or does not."""

    def __init__(self, *, runs_ahead: bool = False) -> None:
        self.runs_ahead = runs_ahead
        # Nanoseconds, COUNTS, steps seen, scheduled tokens by request or None for one that repeats the step before.
        self.rows: list[tuple[int, int, int, int, int, int, Mapping[str, int] | None]] = []
        self.events: list[tuple[int, int, str, int]] = []  # step, kind, request, tokens
        self.readings, self.read_of = array("i"), list[str]()  # READ, and the request of each
        self.block_ids = array("i")
        self.steady = False  # the last step scheduled all running requests, and they are still the same

    @property
    def steps(self) -> int:
        """Steps that have ended."""
        return len(self.rows)

    def event(self, kind: int, request_id: str, tokens: int = 0) -> None:
        """Note that a request was admitted, preempted or freed before the next step ends.

        An admitted request starts with `tokens` computed tokens. What happens to a request before its first admission
        does not count.
        """
        self.events.append((len(self.rows), kind, request_id, tokens))
        self.steady = False

    def step(
        self,
        t_ns: int,
        free_blocks: int,
        running: int,
        waiting: int,
        total_tokens: int,
        scheduled: Mapping[str, int],
        steps_seen: int = 0,
    ) -> None:
        """End a step. `scheduled`: tokens by request, which must not change; `steps_seen`: how many of the pass's steps
        with tokens the scheduler has seen the tokens of, for one that runs ahead.

        The scheduled tokens are kept unless the step repeats the last: one token for each of the same requests.
        """
        count = len(scheduled)
        same = self.steady and total_tokens == running == count
        self.steady = count == running
        kept = None if same else scheduled
        self.rows.append((t_ns, free_blocks, running, waiting, total_tokens, steps_seen, kept))

    def read_blocks(self, request_id: str, computed_tokens: int, ids: Iterable[int], group: int = 0) -> None:
        """Copy the block ids of a request's table of a group before the step ends."""
        before = len(self.block_ids)
        self.block_ids.extend(ids)
        read = len(self.block_ids) - before
        self.readings.extend((self.steps, computed_tokens, read, group))
        self.read_of.append(request_id)

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
        t_ns, *columns, seen = np.array([row[:-1] for row in self.rows], np.int64).reshape(-1, 2 + len(COUNTS)).T
        counts = {name: column.astype(np.int32) for name, column in zip(COUNTS, columns, strict=True)}
        if self.runs_ahead:
            counts["unsettled"] = _unsettled(counts["scheduled_tokens"], seen)
        dumps = [row[-1] for row in self.rows]
        index, events = self._known_events()
        readings = np.array(self.readings, np.int32).reshape(-1, len(READ))
        return Schedule(
            t_ns=t_ns,
            **counts,
            dump_length=_int32(SAME_AS_BEFORE if one is None else len(one) for one in dumps),
            dump_request=_int32(index[name] for one in dumps for name in one or ()),
            dump_tokens=_int32(tokens for one in dumps if one is not None for tokens in one.values()),
            event_step=events[:, 0],
            event_kind=events[:, 1].astype(np.int8),
            event_request=events[:, 2],
            event_tokens=events[:, 3],
            request_ids=np.array(list(index), np.str_),
            block_request=_int32(index[name] for name in self.read_of),
            **dict(zip(READ, readings.T, strict=True)),
            block_ids=np.array(self.block_ids, np.int32),
            end_ns=time.monotonic_ns(),
            end_free_blocks=end_free_blocks,
            end_requests=end_requests,
            total_blocks=total_blocks,
            block_size=block_size,
            hook_s=hook_s,
            paging=paging,
        )

    def _known_events(self) -> tuple[dict[str, int], NDArray[np.int32]]:
        """Numbers of the requests in order of first admission, and the events from a request's admission on, (E, 4)."""
        index: dict[str, int] = {}
        rows = array("i")
        for step, kind, request_id, tokens in self.events:
            if kind == ADMITTED:
                index.setdefault(request_id, len(index))
            if request_id in index:
                rows.extend((step, kind, index[request_id], tokens))
        return index, np.array(rows, np.int32).reshape(-1, 4)


def _int32(values: Iterable[int]) -> NDArray[np.int32]:
    return np.fromiter(values, np.int32)


def _unsettled(tokens: NDArray[np.int32], seen: NDArray[np.int64]) -> NDArray[np.int32]:
    """Steps back from each to the oldest whose tokens the scheduler has not seen, shape (S,); it sees them in order.

    `tokens` and, of the steps with tokens, how many it had `seen` when each step ended: shapes (S,).
    """
    steps = np.arange(len(tokens))
    oldest = np.append(np.flatnonzero(tokens), len(tokens))[np.minimum(seen, np.count_nonzero(tokens))]
    return np.maximum(steps - oldest, 0).astype(np.int32)
