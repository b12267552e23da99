"""Results of a replay: sums over steps, a downsampled series, times of requests, and every step if asked for."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

# One row per step, in the order in which the kernels write them. t_ns is the start of the step; counts and slots are
# taken after scheduling. external: free slots at a refusal that would have been enough if they were contiguous.
# largest_hole: slots of the largest reservation that would still succeed.
COLUMNS = (
    "t_ns",
    "running",
    "waiting",
    "scheduled_tokens",
    "preemptions",  # cumulative
    "prefix_hit_tokens",  # cumulative
    "live",
    "reserved",
    "internal",
    "padding",
    "expired",
    "finished",
    "refused",  # 1: a waiting request was refused for memory, or a running one preempted
    "external",
    "largest_hole",
)
PARTS = ("live", "reserved", "internal", "padding", "expired", "finished")
SUMMED = ("running", "waiting", "scheduled_tokens", *PARTS, "refused", "external")
FREE = ("unused", "unused_when_refused")


@dataclass(frozen=True)
class Totals:
    """Exact sums over all steps, in slots · steps unless the name says otherwise."""

    steps: int
    end_ns: int
    running: int
    waiting: int
    scheduled_tokens: int
    live: int
    reserved: int
    internal: int
    padding: int
    expired: int  # of sliding-window groups: behind the window, in blocks still held
    finished: int
    refused: int  # steps
    external: int
    unused: int  # pool - allocated: idle, not waste
    unused_when_refused: int  # part of `unused` in steps that refused a request for lack of memory
    waiting_steps: int  # steps in which at least one request waited
    preemptions: int  # events
    prefix_hit_tokens: int
    max_running: int
    max_allocated: int  # slots

    @property
    def allocated(self) -> int:
        """Sum of the parts."""
        return sum(getattr(self, part) for part in PARTS)

    @property
    def utilisation(self) -> float:
        """Live over allocated slots; NaN without steps."""
        return self.live / self.allocated if self.allocated else float("nan")


@dataclass(frozen=True)
class Series:
    """Bins of equal numbers of steps (the last may be shorter): exact sums of each column in a bin, shape (B,)."""

    t_ns: NDArray[np.int64]  # start of the bin's first step
    steps: NDArray[np.int64]
    sums: dict[str, NDArray[np.int64]]  # SUMMED and FREE

    def mean(self, name: str) -> NDArray[np.float64]:
        """Mean of a column in each bin."""
        return self.sums[name] / self.steps


@dataclass(frozen=True)
class RequestTimes:
    """Times of each request in nanoseconds (first scheduled, first token, end) and its preemptions, shape (R,)."""

    start_ns: NDArray[np.int64]
    first_token_ns: NDArray[np.int64]
    finish_ns: NDArray[np.int64]
    preemptions: NDArray[np.int64]


@dataclass(frozen=True)
class Steps:
    """Every step: COLUMNS as arrays of shape (S,)."""

    columns: dict[str, NDArray[np.int64]]

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        if name == "allocated":
            return sum(self.columns[part] for part in PARTS)
        return self.columns[name]


@dataclass(frozen=True)
class Replay:
    """A finished replay."""

    policy: str
    pool_slots: int
    totals: Totals
    series: Series
    requests: RequestTimes
    steps: Steps | None


class Collector:
    """Takes chunks of rows, shape (n, len(COLUMNS)), and keeps what a Replay needs."""

    def __init__(self, pool_slots: int, bins: int, *, keep_steps: bool) -> None:
        self.pool_slots, self.bins = pool_slots, 2 * ((bins + 1) // 2)
        self.kept: list[NDArray[np.int64]] | None = [] if keep_steps else None
        self.sums = dict.fromkeys((field.name for field in fields(Totals)), 0)
        self.width = 1  # steps per bin
        self.table = np.zeros((0, 2 + len(SUMMED) + len(FREE)), np.int64)  # t_ns, steps, SUMMED, FREE

    def add(self, rows: NDArray[np.int64]) -> None:
        """Add the next chunk of rows."""
        if not len(rows):
            return
        if self.kept is not None:
            self.kept.append(rows.copy())
        column = dict(zip(COLUMNS, rows.T, strict=True))
        allocated = sum(column[part] for part in PARTS)
        unused = self.pool_slots - allocated
        refusing = unused * column["refused"]
        sums = self.sums
        for name in SUMMED:
            sums[name] += int(column[name].sum())
        sums["steps"] += len(rows)
        sums["unused"] += int(unused.sum())
        sums["unused_when_refused"] += int(refusing.sum())
        sums["waiting_steps"] += int((column["waiting"] > 0).sum())
        sums["preemptions"] = int(column["preemptions"][-1])
        sums["prefix_hit_tokens"] = int(column["prefix_hit_tokens"][-1])
        sums["max_running"] = max(sums["max_running"], int(column["running"].max()))
        sums["max_allocated"] = max(sums["max_allocated"], int(allocated.max()))
        summed = [column[name] for name in SUMMED]
        self._bin(np.stack([column["t_ns"], np.ones(len(rows), np.int64), *summed, unused, refusing], axis=1))

    def _bin(self, rows: NDArray[np.int64]) -> None:
        """Fill the last bin, then whole bins; if there are too many bins, merge neighbours and double the width."""
        while len(rows):
            if not len(self.table) or self.table[-1, 1] == self.width:
                if len(self.table) == self.bins:
                    self.table, self.width = _joined(self.table), 2 * self.width
                self.table = np.append(self.table, np.zeros((1, rows.shape[1]), np.int64), axis=0)
                self.table[-1, 0] = rows[0, 0]
            room = self.width - self.table[-1, 1]
            whole = (len(rows) - room) // self.width if room < len(rows) else 0
            self.table[-1, 1:] += rows[:room, 1:].sum(axis=0)
            rows = rows[room:]
            take = min(whole, self.bins - len(self.table))
            if take > 0:
                self.table = np.concatenate([self.table, _binned(rows[: take * self.width], self.width)])
                rows = rows[take * self.width :]

    def totals(self, end_ns: int) -> Totals:
        """The sums so far."""
        return Totals(**{**self.sums, "end_ns": end_ns})

    def series(self) -> Series:
        """The bins so far."""
        sums = dict(zip((*SUMMED, *FREE), self.table.T[2:], strict=True))
        return Series(self.table[:, 0], self.table[:, 1], sums)

    def steps(self) -> Steps | None:
        """Every step, if they were kept."""
        if self.kept is None:
            return None
        return Steps(dict(zip(COLUMNS, np.concatenate(self.kept).T, strict=True)))


def _binned(rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Sums over every `width` rows; the first column is taken from the first of them."""
    groups = rows.reshape(-1, width, rows.shape[1])
    sums = groups.sum(axis=1)
    sums[:, 0] = groups[:, 0, 0]
    return sums


def _joined(bins: NDArray[np.int64]) -> NDArray[np.int64]:
    return _binned(bins, 2)
