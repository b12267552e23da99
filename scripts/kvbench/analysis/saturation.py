"""Whether requests arrive faster than they are served: then their latency depends on how many of them there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.analysis.statistics import CONFIDENCE

MIN_ARRIVALS = 3  # in the second half, for a slope with an error


def waiting_at_arrivals(due_s: ArrayLike, start_s: ArrayLike) -> NDArray[np.int64]:
    """Requests that are due and not yet scheduled, when each of R requests is due, shape (R,), in order of `due_s`.

    `start_s` is when each was first scheduled, on the same clock.
    """
    due, start = np.sort(np.asarray(due_s, float)), np.sort(np.asarray(start_s, float))
    return np.arange(1, len(due) + 1) - np.searchsorted(start, due, side="right")


def queue_slope(due_s: ArrayLike, start_s: ArrayLike) -> tuple[float, float] | None:
    """Growth of the queue in requests a second over the second half of the arrivals' span, with its standard error.

    Least squares over arrivals; None with fewer than MIN_ARRIVALS of them or if they are due at once.
    """
    due = np.sort(np.asarray(due_s, float))
    late = due >= (due[0] + due[-1]) / 2 if len(due) else np.zeros(0, bool)
    if late.sum() < MIN_ARRIVALS or due[-1] == due[late][0]:
        return None
    at, queue = due[late] - due[late].mean(), waiting_at_arrivals(due_s, start_s)[late]
    spread = float((at**2).sum())
    slope = float((at * queue).sum()) / spread
    residual = queue - queue.mean() - slope * at
    return slope, float(np.sqrt((residual**2).sum() / (len(at) - 2) / spread))


def saturated(slopes: Sequence[tuple[float, float] | None]) -> bool | None:
    """Whether the queue grows: the slope's 95% interval lies above 0. None without a slope (`queue_slope`).

    With several repeats the interval is Student's, of the repeats' slopes, which are independent. With one it is that
    of the regression, which is too narrow, because neighbouring arrivals find nearly the same queue; a single repeat is
    therefore marked too often rather than too seldom.
    """
    from scipy.stats import t

    known = [slope for slope in slopes if slope is not None]
    if not known:
        return None
    values = np.array([slope for slope, _ in known])
    error = float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else known[0][1]
    freedom = len(values) - 1 if len(values) > 1 else np.inf
    return bool(values.mean() - t.ppf((1 + CONFIDENCE) / 2, freedom) * error > 0)
