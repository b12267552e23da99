"""Latency of requests that all arrive at time 0: time to first token, time per output token, end to end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import SCOPES, Run
from kvbench.analysis.statistics import quantile, summarise

METRICS = ("queued", "time_to_first_token", "time_per_output_token", "end_to_end")


def samples(requests: pd.DataFrame) -> pd.DataFrame:
    """The METRICS of each row of `Run.requests`, in seconds, with its process and repeat; null if unknown.

    `queued` is the time until the request is first scheduled, `end_to_end` the time until the engine returns it, which
    is with its whole batch for engines that serve batches. `time_per_output_token` is (finish − first token) / (output
    tokens − 1).
    """
    gaps = (requests["output_tokens"] - 1).where(requests["output_tokens"] > 1)
    return pd.DataFrame(
        {
            "process": requests["process"],
            "repeat": requests["repeat"],
            "request_id": requests["request_id"],
            "queued": requests["start_s"],
            "time_to_first_token": requests["first_token_s"],
            "time_per_output_token": (requests["finish_s"] - requests["first_token_s"]) / gaps,
            "end_to_end": requests["finish_s"],
        }
    )


def table(runs: Sequence[Run], seed: int) -> pd.DataFrame:
    """A row per run, scope and metric.

    `median_s` is the median over repeats of each repeat's median over requests, since requests of one repeat are not
    independent; p90 and p99 are taken over all samples, from 10 and 100 samples on.
    """
    rows = []
    for run in runs:
        for scope in SCOPES:
            measured = samples(run.timed_requests(scope)) if run.timed(scope) else None
            rows += [_row(run, scope, measured, metric, seed) for metric in METRICS if measured is not None]
    return pd.DataFrame(rows)


def _row(run: Run, scope: str, measured: pd.DataFrame, metric: str, seed: int) -> dict[str, Any]:
    known = measured.dropna(subset=[metric])
    medians = known.groupby(["process", "repeat"])[metric].median()
    processes = list(medians.index.get_level_values("process"))
    row = {
        **run.names,
        "scope": scope,
        "metric": metric,
        "returned": "with its batch" if run.returns_by_batch else "when it ends",
        "n_repeats": len(medians),
        "n_processes": len(set(processes)),
        "requests": known["request_id"].nunique(),
        "samples": len(known),
    }
    if not len(known):
        return row
    summary = summarise(medians.to_numpy(), seed, processes)
    return {
        **row,
        "median_s": summary.median,
        "median_ci95_low_s": summary.low,
        "median_ci95_high_s": summary.high,
        "median_min_s": summary.minimum,
        "median_max_s": summary.maximum,
        "p90_s": quantile(known[metric], 0.9),
        "p99_s": quantile(known[metric], 0.99),
        "min_s": known[metric].min(),
        "max_s": known[metric].max(),
    }
