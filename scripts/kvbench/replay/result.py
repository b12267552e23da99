"""Results of a replay: sums over steps, a downsampled series, times of requests, and every step if asked for."""

from __future__ import annotations

from dataclasses import dataclass

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
