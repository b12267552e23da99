"""Points of sweeps of block size and KV budget: the live measurements, and the replay at exactly the same point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run, engine_key
from kvbench.analysis.statistics import PARTS, count_disturbed, known_columns
from kvbench.analysis.tables.repeats import steps_of
from kvbench.files import read_table
from kvbench.records import REPLAYED

SWEPT = ("block_size", "kv_budget_mib")
SPEED = "output_tokens_per_s"
# Values that a replay gives too; it models no time, so it has no speed.
SHARES = ("live_share_of_allocated", "preemptions_per_request", "recomputed_share_of_computed")
COUNTS = ("steps", "block_steps", "live_slot_steps", "computed_tokens", "preemptions")
NAMES = ("model", "workload", "engine", "point")
COLUMNS = (
    *(*NAMES, "sweep", "block_size", "pool_slots", "pool_bytes", "requests", "n_repeats", "n_processes"),
    *("disturbed_repeats", "async_scheduling"),
    *(f"{name}_{part}" for name in (*SHARES, SPEED) for part in PARTS),
    *(f"{part}{name}" for name in SHARES for part in ("replay_", "difference_")),
    *(f"{part}{name}" for name in COUNTS for part in ("least_", "most_", "replay_", "difference_")),
    "equals_replay",
)


def table(points: Mapping[str, Sequence[Run]], repeats: pd.DataFrame, replays: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A row per point of a sweep, by model, workload and engine, from the smallest to the largest point.

    `points` are the runs of each sweep in SWEPT; a base run may be a point of both. `repeats` is repeats.csv, `replays`
    the rows of `kvbench.replay.sweep.table`. `difference_*` is live minus replay: for a count, of the repeat that
    differs most; for a share, of the median. Empty without a replay.
    """
    whole = repeats[repeats["scope"] == "all"]
    rows = [
        {**_row(run, _of(whole, run), _of(replays, run), seed), "sweep": sweep}
        for sweep, runs in points.items()
        for run in sorted(runs, key=lambda run: (run.model, run.workload, engine_key(run.engine), _far(run, sweep)))
    ]
    whole_numbers = [f"{part}_{name}" for name in COUNTS for part in ("replay", "difference")]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(whole_numbers, "Int64"))


def _far(run: Run, sweep: str) -> int:
    return run.record["block_size"] if sweep == "block_size" else run.record["capacity"]["pool_slots"]


def _of(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    return table[(table[list(NAMES)] == pd.Series(run.names)).all(axis=1)]


def _row(run: Run, repeats: pd.DataFrame, replays: pd.DataFrame, seed: int) -> dict[str, Any]:
    capacity, in_force = run.record["capacity"], run.record["settings"].get("in_force") or {}
    row: dict[str, Any] = {**run.names, "block_size": run.record["block_size"]}
    row |= {"pool_slots": capacity["pool_slots"], "pool_bytes": capacity["pool_bytes"]}
    row |= {"requests": repeats["requests"].iloc[0], "n_repeats": len(repeats)}
    row |= {"n_processes": repeats["process"].nunique(), "async_scheduling": in_force.get("async_scheduling")}
    flags = [None if pd.isna(flag) else bool(flag) for flag in repeats["disturbed"]]
    row["disturbed_repeats"] = count_disturbed(flags)
    for name in (*SHARES, SPEED):
        row |= known_columns(name, repeats[name], seed, repeats["process"].tolist())
    counts = _counts(run, repeats)
    row |= {f"least_{name}": counts[name].min() for name in COUNTS}
    row |= {f"most_{name}": counts[name].max() for name in COUNTS}
    has_both = len(replays) and counts.notna().all(axis=None)
    return row | _beside(row, counts, replays.iloc[0]) if has_both else row


def _counts(run: Run, repeats: pd.DataFrame) -> pd.DataFrame:
    """COUNTS of each repeat as integers, summed over its steps; null if it has no steps."""
    steps = steps_of(run).groupby(["process", "repeat"])[["allocated", "live"]].sum()
    sums = steps.reindex(pd.MultiIndex.from_frame(repeats[["process", "repeat"]]))
    found = {"block_steps": sums["allocated"] // run.record["block_size"], "live_slot_steps": sums["live"]}
    found |= {name: repeats[name] for name in ("steps", "computed_tokens", "preemptions")}
    return pd.DataFrame({name: values.reset_index(drop=True).astype("Int64") for name, values in found.items()})


def _beside(row: dict[str, Any], counts: pd.DataFrame, replay: pd.Series) -> dict[str, Any]:
    """The replay's values, and the live values minus them."""
    found: dict[str, Any] = {}
    for name in SHARES:
        found |= {f"replay_{name}": replay[name], f"difference_{name}": row[f"{name}_median"] - replay[name]}
    for name in COUNTS:
        beyond = counts[name] - int(replay[name])
        found |= {f"replay_{name}": int(replay[name]), f"difference_{name}": beyond[beyond.abs().idxmax()]}
    equal = not any(found[f"difference_{name}"] for name in COUNTS)
    return found | {"equals_replay": "yes" if equal else "no"}


def read_replays(paths: Sequence[str]) -> pd.DataFrame:
    """`records.REPLAYED`, concatenated from several files."""
    return pd.concat([pd.DataFrame(columns=list(REPLAYED)), *map(read_table, paths)], ignore_index=True)
