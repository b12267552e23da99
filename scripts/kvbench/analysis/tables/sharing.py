"""What sharing KV blocks saves: each engine with prefix_sharing compared with the same engine without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.analysis.statistics import PARTS, count_disturbed, known_columns, ratio

METRIC = "output_tokens_per_s"
POINTS = {"shared": "prefix_sharing-true", "unshared": "prefix_sharing-false"}
ARM_COLUMNS = (METRIC, "running_mean_requests", "allocated_peak_bytes")
SAVED = ("saved_share", "saved_largest_share", "prefix_hit_share_of_prompts")
COLUMNS = (
    *("model", "workload", "engine", "requests"),
    *(f"{arm}_n_repeats" for arm in POINTS),
    *(f"{arm}_n_processes" for arm in POINTS),
    *(f"{name}_{part}" for name in SAVED for part in PARTS),
    *(f"{arm}_{name}_{part}" for name in ARM_COLUMNS for arm in POINTS for part in PARTS),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "interval_against_1", "equal_outputs_share", "disturbed_repeats"),
)


def table(runs: Sequence[Run], repeats: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A row per model, workload and engine with both points of a sweep of prefix_sharing.

    `repeats` is repeats.csv of the runs. Shares of saved blocks are relative to the blocks that the requests would hold
    without sharing, as in Section 6.3 of the PagedAttention paper (arXiv 2309.06180).
    """
    rows = []
    for (model, workload, engine), found in _pairs(runs).items():
        names = {"model": model, "workload": workload, "engine": engine}
        arms = {arm: _samples(repeats, names, point) for arm, point in POINTS.items()}
        if all(len(samples) for samples in arms.values()):
            rows.append({**names, **_row(arms, seed), "equal_outputs_share": _equal_outputs(found)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _pairs(runs: Sequence[Run]) -> dict[tuple[str, str, str], dict[str, Run]]:
    """Runs by point of each model, workload and engine that has both points."""
    found: dict[tuple[str, str, str], dict[str, Run]] = {}
    for run in runs:
        if run.point in POINTS.values():
            found.setdefault((run.model, run.workload, run.engine), {})[run.point] = run
    return {key: pair for key, pair in found.items() if len(pair) == len(POINTS)}


def _samples(repeats: pd.DataFrame, names: dict[str, str], point: str) -> pd.DataFrame:
    """The repeats of a point; only those of all requests if there are any."""
    rows = repeats[(repeats[list(names)] == pd.Series(names)).all(axis=1) & (repeats["point"] == point)]
    whole = rows[rows["scope"] == "all"]
    return whole if len(whole) else rows


def _row(arms: dict[str, pd.DataFrame], seed: int) -> dict[str, Any]:
    shared, unshared = arms["shared"], arms["unshared"]
    processes = {arm: samples["process"].tolist() for arm, samples in arms.items()}
    found = ratio(shared[METRIC].to_numpy(), unshared[METRIC].to_numpy(), seed, tuple(processes.values()))
    row: dict[str, Any] = {"requests": shared["requests"].iloc[0]}
    row |= {f"{arm}_n_repeats": len(samples) for arm, samples in arms.items()}
    row |= {f"{arm}_n_processes": len(set(own)) for arm, own in processes.items()}
    for name in SAVED:
        row |= known_columns(name, shared[name], seed, processes["shared"])
    for name in ARM_COLUMNS:
        for arm, samples in arms.items():
            row |= known_columns(f"{arm}_{name}", samples[name], seed, processes[arm])
    row |= {"ratio": found.value, "ratio_ci95_low": found.low, "ratio_ci95_high": found.high}
    flags = pd.concat(arms.values())["disturbed"].tolist()
    row["disturbed_repeats"] = count_disturbed(flags)
    return row | {"interval_against_1": found.verdict}


def _equal_outputs(pair: dict[str, Run]) -> float | None:
    """Share of requests with equal token ids in the first timed repeats of both points; None if tokens are sampled."""
    if any(run.temperature > 0 for run in pair.values()):
        return None
    outputs = [_outputs(pair[point]) for point in POINTS.values()]
    return float((outputs[0] == outputs[1].reindex(outputs[0].index)).mean())


def _outputs(run: Run) -> pd.Series:
    run = run.processes[0]
    rows = run.requests[run.requests["repeat"] == (run.timed_numbers("all") or run.timed_numbers())[0]]
    return rows.set_index("request_id")["output_token_ids"].map(tuple)
