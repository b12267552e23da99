"""Which steps of a replay a mean is of: those in which the queue is full, or in which requests still arrive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvbench.replay.inputs import Trace
from kvbench.replay.result import Replay

# What comes first runs in an empty pool, and requests that start together end alike: left out.
SETTLING_SHARE = 0.25
FULL_QUEUE, ARRIVALS, ALL = "full queue", "arrivals", "all steps"


@dataclass(frozen=True)
class Window:
    """Neighbouring bins of a series, and their sums over steps."""

    kind: str
    first_step: int
    steps: int
    sums: dict[str, int]


def full_queue(found: Replay) -> slice | None:
    """The bins in which requests wait, without the first quarter of them; None where the requests are too few.

    Too few: fewer than four times those that run at once, so that the queue is gone before it has settled.
    """
    waiting = found.series.mean("waiting")
    last = int(np.flatnonzero(waiting >= 1).max(initial=-1))  # the queue may run dry within it
    enough = found.totals.max_running * 4 <= len(found.requests.start_ns)
    return _settled(last) if enough else None


def arriving(found: Replay, last_arrival_ns: int) -> slice | None:
    """The bins before the last arrival, without the first quarter of them; None where there are hardly any."""
    return _settled(int(np.searchsorted(found.series.t_ns, last_arrival_ns)) - 1)


def window_of(found: Replay, trace: Trace) -> Window:
    """While requests arrive, where they do so over time; else while the queue is full; all steps if neither lasts."""
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
