"""Latency of each request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvbench.analysis.results import Run
from kvbench.analysis.tables.latency import samples


@dataclass(frozen=True)
class Latency:
    """One run's latency samples in seconds, by metric: a value per request and timed repeat."""

    label: str
    engine: str
    requests: int
    repeats: int
    by_batch: bool
    samples: dict[str, np.ndarray]


def latencies(runs: Sequence[Run], metrics: Sequence[str]) -> list[Latency]:
    """Samples of scope `all`, or of `sequential` for engines that serve only the subset.

    They count from when all requests are submitted, so that runs whose requests arrive over time are left out.
    """
    found = []
    for run in (run for run in runs if run.timed() and not run.arrives):
        scope = "all" if run.timed("all") else "sequential"
        measured = samples(run.timed_requests(scope))
        values = {metric: measured[metric].dropna().to_numpy() for metric in metrics}
        found.append(
            Latency(
                run.label,
                run.engine,
                measured["request_id"].nunique(),
                len(run.timed(scope)),
                run.returns_by_batch,
                values,
            )
        )
    return found
