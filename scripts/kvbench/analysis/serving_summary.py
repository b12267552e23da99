"""What a repeat with arrivals came to: latencies over its window, rate and share of requests within the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.analysis.statistics import quantile
from kvbench.workload.latencies import completed_per_s, in_window, latencies, within

TIMES = ("ttft", "tpot")
METRICS = (
    "normalized_latency_mean_s",
    *(f"{name}_{part}_s" for name in TIMES for part in ("median", "p90", "p99")),
    "completed_per_s",
    "within_slo_share",
)
Summary = dict[str, float | None]


def summary(
    due_s: ArrayLike, first_token_s: ArrayLike, finish_s: ArrayLike, output_tokens: ArrayLike, slo: tuple[float, float]
) -> Summary:
    """METRICS of a repeat from its R requests' times in seconds since it began and their output tokens, each (R,).

    `slo` are the limits on TTFT and TPOT in seconds. Completed requests a second count all requests; all else is over
    the window's. None where there are too few of them (`statistics.quantile`).
    """
    found = latencies(due_s, first_token_s, finish_s, output_tokens)
    kept = found.of(in_window(due_s))
    tpot = kept.tpot_s[~np.isnan(kept.tpot_s)]
    return {
        "normalized_latency_mean_s": float(kept.normalized_s.mean()),
        **_times("ttft", kept.ttft_s),
        **_times("tpot", tpot),
        "completed_per_s": completed_per_s(due_s, finish_s),
        "within_slo_share": float(within(kept, *slo).mean()),
    }


def medians(repeats: Sequence[Summary]) -> Summary:
    """The median of each of METRICS over repeats; None where a repeat has none."""
    return {name: _median([one[name] for one in repeats]) for name in METRICS}


def _median(values: Sequence[float | None]) -> float | None:
    return None if not values or None in values else float(np.median(values))


def _times(name: str, seconds: NDArray[np.float64]) -> Summary:
    return {
        f"{name}_median_s": float(np.median(seconds)) if len(seconds) else None,
        f"{name}_p90_s": quantile(seconds, 0.9),
        f"{name}_p99_s": quantile(seconds, 0.99),
    }
