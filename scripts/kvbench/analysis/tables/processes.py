"""How much the processes of a run differ, which the intervals of a run in one process cannot show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.results import SCOPES, Run, processes_of
from kvbench.analysis.statistics import MIN_REPEATS, summarise
from kvbench.analysis.tables.throughput import rates

METRIC = "output_tokens_per_s"
COLUMNS = (
    *("model", "workload", "engine", "point", "scope", "process", "host", "gpu_ids", "n_processes", "n_repeats"),
    *(f"{METRIC}_{part}" for part in ("median", "min", "max", "sd_between_medians", "sd_within")),
    *("f_between_over_within", "f_p_value", "interval_width_over_pooled"),
)


def table(runs: Sequence[Run], seed: int) -> pd.DataFrame:
    """A row per run, scope and process; values of the whole run are repeated in each of its rows.

    `sd_between_medians` is the standard deviation of the processes' medians, `sd_within` the pooled standard deviation
    of repeats within a process. `f_between_over_within` is F of a one-way analysis of variance, about 1 if processes do
    not differ. `interval_width_over_pooled` is the width of the run's interval over the width of an interval that
    treats all repeats as independent; above 1, the latter is too narrow.
    """
    rows = [row for run in runs for scope in SCOPES if run.timed(scope) for row in _rows(run, scope, seed)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(run: Run, scope: str, seed: int) -> list[dict[str, Any]]:
    repeats = run.timed(scope)
    numbers = dict.fromkeys(processes_of(repeats))
    values = {one: np.array([rates(r)[METRIC] for r in repeats if r["process"] == one]) for one in numbers}
    names = {**run.names, "scope": scope, "n_processes": len(values)}
    whole = spread(list(values.values())) | {"interval_width_over_pooled": _widths(values, seed)}
    places = {repeat["process"]: repeat["place"] for repeat in repeats}
    return [{**names, **_process(one, own), **places[one]._asdict(), **whole} for one, own in values.items()]


def _process(number: int, values: np.ndarray) -> dict[str, Any]:
    return {
        "process": number,
        "n_repeats": len(values),
        f"{METRIC}_median": np.median(values),
        f"{METRIC}_min": values.min(),
        f"{METRIC}_max": values.max(),
    }


def spread(groups: Sequence[np.ndarray]) -> dict[str, float | None]:
    """Spread between processes and within them; None if there is too little data."""
    between = np.std([np.median(group) for group in groups], ddof=1) if len(groups) > 1 else None
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(((group - group.mean()) ** 2).sum() for group in groups)
    within = (squares / freedom) ** 0.5 if freedom else None
    found = {f"{METRIC}_sd_between_medians": between, f"{METRIC}_sd_within": within}
    if between is None or not squares:
        return found
    from scipy.stats import f_oneway

    test = f_oneway(*groups)
    return found | {"f_between_over_within": float(test.statistic), "f_p_value": float(test.pvalue)}


def _widths(values: dict[int, np.ndarray], seed: int) -> float | None:
    """Width of the interval over that of an interval that ignores processes; None if there is too little data."""
    pooled = np.concatenate(list(values.values()))
    if len(values) < 2 or len(pooled) < MIN_REPEATS:
        return None
    processes = np.repeat(list(values), [len(own) for own in values.values()])
    known, plain = (summarise(pooled, seed, own) for own in (processes, None))
    return (known.high - known.low) / (plain.high - plain.low) if plain.high > plain.low else None
