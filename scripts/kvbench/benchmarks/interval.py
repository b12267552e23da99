"""The interval of a median over passes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def median_interval(values: ArrayLike) -> dict[str, float]:
    """`ratio_ci95_low` and `ratio_ci95_high` of the median of values, shape (passes,), by the percentile bootstrap."""
    from scipy.stats import bootstrap

    drawn = bootstrap((np.asarray(values),), np.median, method="percentile", random_state=np.random.default_rng(0))
    interval = drawn.confidence_interval
    return {"ratio_ci95_low": float(interval.low), "ratio_ci95_high": float(interval.high)}
