"""Whether requests arrive faster than an engine serves them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_REQUESTS = 20
BINS = 6
PER_BIN = 20
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Growth:
    """Requests by which those in the system grow for each one that arrives, with a 95% interval (None: too few).

    `filling` is what they grow by in a system that began empty and can serve all that arrives.
    """

    value: float | None
    low: float | None
    high: float | None
    filling: float | None = None

    @property
    def saturated(self) -> bool | None:
        """Whether the whole interval is above what filling explains; None if the run is too short to tell."""
        if self.low is None or 0 < self.low <= self.filling:
            return None
        return self.low > 0


def growth(repeats: Iterable[tuple[ArrayLike, ArrayLike, ArrayLike]]) -> Growth:
    """The growth over the second half of the arrivals, from (due, start, finish) times in s of the repeats' requests.

    The requests in the system, waiting and running, are counted in six equal spans of that half. The slope over all
    repeats is Theil and Sen's, with Sen's interval (1968): bursts weigh little in it. Requests that only wait would not
    do, because an engine whose pool never fills makes everyone slower instead. Neighbouring spans are alike, so more of
    them would make the interval too narrow. Where arrivals end before the first requests do, the system fills, however
    fast it is: growth up to `_filling` says nothing. Simulated (tests/unit/analysis/test_saturation.py): at 0.6 of what
    a server can do, at most one point in ten is found saturated; at twice as much, half with one repeat of 40 requests,
    and nearly all with 200.
    """
    from scipy.stats import theilslopes

    arrived, inside, filling = [], [], []
    for due, start, finish in repeats:
        due, start, finish = (np.asarray(times, float) for times in (due, start, finish))
        if len(due) >= MIN_REQUESTS and np.ptp(due) > 0:
            filling.append(_filling(due, start, finish))
            x, y = _spans(np.sort(due), np.sort(finish))
            arrived.append(x)
            inside.append(y)
    if not arrived:
        return Growth(None, None, None)
    found = theilslopes(np.concatenate(inside), np.concatenate(arrived), CONFIDENCE)
    return Growth(float(found.slope), float(found.low_slope), float(found.high_slope), float(np.mean(filling)))


def growth_of(repeats: Iterable[Any]) -> Growth:
    """`growth` of repeats, from the rows of requests.parquet of each: `due_s`, `start_s` and `finish_s`."""
    return growth((rows["due_s"], rows["start_s"], rows["finish_s"]) for rows in repeats)


def _filling(due: NDArray[np.float64], start: NDArray[np.float64], finish: NDArray[np.float64]) -> float:
    """Requests by which a system that began empty and never waits grows for each arrival, in the second half.

    Of a M/G/infinity queue, t seconds after it began empty, the mean number inside is rate * E[min(S, t)] (Takacs,
    Introduction to the Theory of Queues, 1962). S is the time from start to finish of the requests of the first half:
    where an engine gets ever slower, those of the second half would explain their own growth.
    """
    half = (due.max() - due.min()) / 2
    first = due <= due.min() + half
    served = finish[first] - start[first]
    return float((np.minimum(served, 2 * half).mean() - np.minimum(served, half).mean()) / half)


def _spans(due: NDArray[np.float64], finish: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the spans, shape (BINS,) each: arrivals since the half, at the mean rate, and requests in the system."""
    begin, end = (due[0] + due[-1]) / 2, due[-1]
    at = np.linspace(begin, end, BINS * PER_BIN)
    inside = np.searchsorted(due, at, "right") - np.searchsorted(finish, at, "right")
    per_s = (len(due) - 1) / (due[-1] - due[0])
    return ((at - begin) * per_s).reshape(BINS, -1).mean(1), inside.reshape(BINS, -1).mean(1)
