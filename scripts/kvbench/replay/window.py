"""The steps over which means of a replay are taken: those with a full queue, or those in which requests arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvbench.replay.inputs import Trace
from kvbench.replay.result import Replay

# The first steps are left out: the pool is empty at first, and requests that start together end at similar times.
SETTLING_SHARE = 0.25
FULL_QUEUE, ARRIVALS, ALL = "full queue", "arrivals", "all steps"


@dataclass(frozen=True)
class Window:
    """Consecutive bins of a series, and their sums over steps."""

    kind: str
    first_step: int
    steps: int
    sums: dict[str, int]


def full_queue(found: Replay) -> slice | None:
    """The bins in which requests wait, without their first quarter; None if there are too few requests.

    Fewer than four times the largest number of running requests are too few: the queue would end before it settles.
    """
    waiting = found.series.mean("waiting")
    last = int(np.flatnonzero(waiting >= 1).max(initial=-1))  # the queue may become empty within this bin
    enough = found.totals.max_running * 4 <= len(found.requests.start_ns)
    return _settled(last) if enough else None


def arriving(found: Replay, last_arrival_ns: int) -> slice | None:
    """The bins before the last arrival, without their first quarter; None if there are too few."""
    return _settled(int(np.searchsorted(found.series.t_ns, last_arrival_ns)) - 1)


def window_of(found: Replay, trace: Trace) -> Window:
    """The steps in which requests arrive, if they do so over time, else those with a full queue; if too few, all."""
    timed = trace.arrival_ns[-1] > trace.arrival_ns[0]
    bins = arriving(found, int(trace.arrival_ns[-1])) if timed else full_queue(found)
    kind = ALL if bins is None else ARRIVALS if timed else FULL_QUEUE
    bins = bins or slice(0, len(found.series.steps))
    steps = found.series.steps
    sums = {name: int(values[bins].sum()) for name, values in found.series.sums.items()}
    return Window(kind, int(steps[: bins.start].sum()), int(steps[bins].sum()), sums)


def _settled(last: int) -> slice | None:
    first = int(np.ceil(SETTLING_SHARE * last))
    return slice(first, last) if last - first >= 1 else None
