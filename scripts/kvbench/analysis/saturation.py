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


Times = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]  # due, start and finish in s, and work, of each request


@dataclass(frozen=True)
class Growth:
    """Requests by which those in the system grow for each one that arrives, with a 95% interval (None: too few).

    `filling` is what they would grow by if they came evenly and each were served at once, at the first half's pace.
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


def growth(repeats: Iterable[Times]) -> Growth:
    """The growth over the second half of the arrivals; a request's work is its output tokens.

    The requests in the system, waiting and running, are counted in six equal spans of that half. The slope over all
    repeats is Theil and Sen's, with Sen's interval (1968): bursts weigh little in it. Requests that only wait would not
    do, because an engine whose pool never fills makes everyone slower instead. Neighbouring spans are alike, so more of
    them would make the interval too narrow. The system also grows where arrivals end before the first requests do, or
    where long requests come last, as they do in every repeat of a workload that keeps its order: growth up to that of
    `_at_once` says nothing. Simulated (tests/unit/analysis/test_saturation.py): at 0.6 of what a server can do, at most
    one point in ten is found saturated; at twice as much, half with one repeat of 40 requests, and nearly all with 200.
    """
    from scipy.stats import theilslopes

    arrived, inside, at_once = [], [], []
    for one in repeats:
        due, start, finish, work = map(np.asarray, one)
        if len(due) >= MIN_REQUESTS and np.ptp(due) > 0:
            arrived.append(_arrivals(due))
            inside.append(_inside(due, finish))
            at_once.append(_inside(*_at_once(due, start, finish, work)))
    if not arrived:
        return Growth(None, None, None)
    arrived = np.concatenate(arrived)
    found = theilslopes(np.concatenate(inside), arrived, CONFIDENCE)
    filling = theilslopes(np.concatenate(at_once), arrived).slope
    return Growth(float(found.slope), float(found.low_slope), float(found.high_slope), float(filling))


def growth_of(repeats: Iterable[Any]) -> Growth:
    """`growth` from the rows of requests.parquet of each repeat: `due_s`, `start_s`, `finish_s`, `output_tokens`."""
    return growth((rows["due_s"], rows["start_s"], rows["finish_s"], rows["output_tokens"]) for rows in repeats)


def _at_once(
    due: NDArray[Any], start: NDArray[Any], finish: NDArray[Any], work: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When the same requests would be due and done, each sorted, if they came evenly and each were served at once.

    They keep their order. Each takes the time for its work of the requests of the first half: where an engine gets ever
    slower, the time of the others would explain their own growth.
    """
    first = due <= (due.min() + due.max()) / 2
    per_work = (finish.sum(where=first) - start.sum(where=first)) / work.sum(where=first)
    evenly = np.linspace(due.min(), due.max(), len(due))
    done = (work if _in_order(due) else work[np.argsort(due, kind="stable")]) * per_work
    done += evenly
    done.sort()
    return evenly, done


def _moments(due: NDArray[Any]) -> NDArray[np.float64]:
    """When requests are counted, in s: PER_BIN times in each of BINS spans of the second half of the arrivals."""
    return np.linspace((due.min() + due.max()) / 2, due.max(), BINS * PER_BIN)


def _arrivals(due: NDArray[Any]) -> NDArray[np.float64]:
    """Arrivals since the half, at the mean rate, in the middle of each span: shape (BINS,)."""
    at = _moments(due)
    per_s = (len(due) - 1) / np.ptp(due)
    return ((at - at[0]) * per_s).reshape(BINS, -1).mean(1)


def _inside(due: NDArray[Any], finish: NDArray[Any]) -> NDArray[np.float64]:
    """Requests that are due and not finished, in the mean of each span: shape (BINS,)."""
    at = _moments(due)
    came, went = (
        np.searchsorted(times if _in_order(times) else np.sort(times), at, "right") for times in (due, finish)
    )
    return (came - went).reshape(BINS, -1).mean(1)


def _in_order(times: NDArray[Any]) -> bool:
    return bool(np.all(times[1:] >= times[:-1]))
