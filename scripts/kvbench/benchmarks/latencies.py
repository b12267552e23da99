"""Latencies of one side of a serving benchmark, and the comparison of two sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.benchmarks.interval import median_interval
from kvbench.workload.latencies import Latencies

MEASURES = ("ttft_s", "tpot_s", "e2e_s")
# Percentiles, and the requests from which each is given: below, it would be hardly more than the largest value.
PERCENTILES = {"median": (50, 1), "p90": (90, 10), "p99": (99, 100)}
PASSES_FOR_INTERVAL = 6


def pooled(passes: Sequence[Latencies], measure: str) -> dict[str, float | None]:
    """`median_s`, `p90_s`, `p99_s` over the requests of all passes; None where they are too few."""
    values = np.concatenate([one.known(measure) for one in passes])
    return {
        f"{name}_s": float(np.percentile(values, at)) if len(values) >= enough else None
        for name, (at, enough) in PERCENTILES.items()
    }


def comparison(
    names: tuple[str, str], ours: Sequence[Latencies], other: Sequence[Latencies], measure: str
) -> dict[str, Any]:
    """One row: both sides' percentiles, and the median over pairs of passes of the ratio of their medians.

    Passes of the same place in `ours` and `other` had the same arrivals. The ratio has a 95% bootstrap interval from
    PASSES_FOR_INTERVAL passes on.
    """
    return {
        "ours": names[0],
        "other": names[1],
        "measure": measure.removesuffix("_s"),
        "requests": sum(len(one.known(measure)) for one in other),
        **{f"ours_{name}": value for name, value in pooled(ours, measure).items()},
        **{f"other_{name}": value for name, value in pooled(other, measure).items()},
        **ratio([_median(one, measure) for one in ours], [_median(one, measure) for one in other]),
    }


def _median(one: Latencies, measure: str) -> float:
    values = one.known(measure)
    return float(np.median(values)) if len(values) else float("nan")


def ratio(ours: Sequence[float], other: Sequence[float]) -> dict[str, float | None]:
    """Median over passes of ours / other, with its interval; None where no pass has a value on both sides."""
    ratios = np.asarray(ours, float) / np.asarray(other, float)
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return {"ratio": None}
    found: dict[str, float | None] = {"ratio": float(np.median(ratios))}
    if len(ratios) < PASSES_FOR_INTERVAL:
        return found
    return found | median_interval(ratios)


def hook_share_of_step(hook_s: Sequence[float], t_ns: Sequence[NDArray[np.int64]]) -> float | None:
    """Time inside the recording code a step, over the median time from one step to the next.

    Both arguments have an item a pass; `t_ns` are the times of its steps, shape (steps,). The median leaves out the
    pauses in which no request runs, so long as they are fewer than the steps.
    """
    gaps = np.concatenate([np.zeros(0), *(np.diff(times) for times in t_ns)]) / 1e9
    steps = sum(len(times) for times in t_ns)
    return sum(hook_s) / steps / float(np.median(gaps)) if len(gaps) else None
