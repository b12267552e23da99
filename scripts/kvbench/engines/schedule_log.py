"""The record of one pass of a paged engine, appended to while it runs.

A step appends a row of counters and, if the set of requests has changed, the engine's own scheduled-token counts. The
engine waits for it, so a step makes few calls: names of requests become numbers when the pass has ended.
`kvbench.kv.paged` rebuilds the slots afterwards.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.groups import ONE_GROUP, Paging
from kvbench.kv.schedule import ADMITTED, Schedule

# Columns of `Schedule`, in the order in which they are appended.
SAMPLED = ("free_blocks", "running", "waiting", "scheduled_tokens", "dump_length", "unsettled")
READ = ("block_step", "block_tokens", "block_length", "block_group")


class ScheduleLog:
    """Steps, events and block ids of a pass, of a scheduler that `runs_ahead` of the tokens it has seen or does not."""

    def __init__(self, *, runs_ahead: bool = False) -> None:
        self.runs_ahead = runs_ahead
        self.steps = 0
        self.samples = array("q")  # nanoseconds and SAMPLED
        self.dumps: list[Mapping[str, int]] = []  # scheduled tokens by request
        self.events: list[tuple[int, int, str, int]] = []  # step, kind, request, tokens
        self.readings, self.read_of = array("i"), list[str]()  # READ, and the request of each
        self.block_ids = array("i")
        self.changed, self.all_scheduled = True, False

    def event(self, kind: int, request_id: str, tokens: int = 0) -> None:
        """Note that a request was admitted, preempted or freed before the next sample.

        An admitted request starts with `tokens` computed tokens. What happens to a request before its first admission
        does not count.
        """
        self.events.append((self.steps, kind, request_id, tokens))
        self.changed = True

    def goes_on(self, scheduled: int, total_tokens: int, running: int) -> bool:
        """Whether this step repeats the last one: the same requests, one token for each running request."""
        every_one = scheduled == running
        same = every_one and total_tokens == running and self.all_scheduled and not self.changed
        self.all_scheduled, self.changed = every_one, False
        return same

    def dump(self, scheduled: Mapping[str, int]) -> int:
        """Keep the scheduled tokens by request, which must not change; return their number, for `sample`."""
        self.dumps.append(scheduled)
        return len(scheduled)

    def sample(self, t_ns: int, *counts: int) -> None:
        """End the step with its time and its SAMPLED; `dump_length` is SAME_AS_BEFORE if the step repeats the last."""
        self.samples.extend((t_ns, *counts))
        self.steps += 1

    def read_blocks(self, request_id: str, computed_tokens: int, ids: Iterable[int], group: int = 0) -> None:
        """Copy the block ids of a request's table of a group before the step's sample."""
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
        t_ns, *counts = np.array(self.samples, np.int64).reshape(-1, 1 + len(SAMPLED)).T
        sampled = {name: column.astype(np.int32) for name, column in zip(SAMPLED, counts, strict=True)}
        if not self.runs_ahead:
            del sampled["unsettled"]
        index, events = self._known_events()
        readings = np.array(self.readings, np.int32).reshape(-1, len(READ))
        return Schedule(
            t_ns=t_ns,
            **sampled,
            dump_request=_int32(index[name] for one in self.dumps for name in one),
            dump_tokens=_int32(tokens for one in self.dumps for tokens in one.values()),
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
