"""Throughput of a run, computed directly from its repeats."""

from __future__ import annotations

import numpy as np

from kvbench.analysis.results import Run


def speeds_of(run: Run, scope: str = "all") -> list[float]:
    """Return the output tokens per second of each timed repeat."""
    return [repeat["output_tokens"] / repeat["wall_s"] for repeat in run.timed(scope)]


def median_speed(run: Run, scope: str = "all") -> float:
    """Return the median output tokens per second of the timed repeats."""
    return float(np.median(speeds_of(run, scope)))
