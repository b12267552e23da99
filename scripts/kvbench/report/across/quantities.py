"""What machines are compared by: columns of results/tables as one list of values with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kvbench.analysis.results import engine_key, run_label
from kvbench.analysis.statistics import PARTS
from kvbench.report.across.folders import Folder
from kvbench.report.cells import number

KINDS = ("throughput", "latency", "waste", "capacity", "ratios")
SPEED, FIRST, EACH, LIVE, RATIO = (
    "output tokens/s",
    "time to first token (s)",
    "time per output token (s)",
    "live share of allocated",
    "output tokens/s, ratio",
)
VALUES = ("value", "low", "high", "least", "most")
# A row is the same on two machines if these are equal: names are not enough, for `mixed` has other requests elsewhere.
KEY = ("kind", "metric", "model", "workload", "requests", "run")
COLUMNS = (*KEY, "machine", *VALUES)


@dataclass(frozen=True)
class Quantity:
    """A column of a table with its name here; `columns` are those of VALUES, None where the table has none."""

    kind: str
    metric: str
    table: str
    columns: tuple[str | None, ...]
    where: tuple[str, str] | None = None  # a column and the value that its rows have


def _parts(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{part}" for part in PARTS)


def _alone(name: str) -> tuple[str | None, ...]:
    return (name, None, None, None, None)


def _ratio(name: str) -> tuple[str | None, ...]:
    return (name, f"{name}_ci95_low", f"{name}_ci95_high", None, None)


def _times(metric: str, name: str, column: str) -> Iterator[Quantity]:
    """A time of requests that are submitted at once, and of requests that arrive over time."""
    columns = ("median_s", "median_ci95_low_s", "median_ci95_high_s", "median_min_s", "median_max_s")
    yield Quantity("latency", metric, "latency", columns, ("metric", name))
    yield Quantity("latency", metric, "serving", _parts(column))


QUANTITIES = (
    Quantity("throughput", SPEED, "throughput", _parts("output_tokens_per_s")),
    Quantity("throughput", "completed requests/s", "serving", _parts("completed_per_s")),
    *_times(FIRST, "time_to_first_token", "ttft_s"),
    *_times(EACH, "time_per_output_token", "tpot_s"),
    *_times("end to end (s)", "end_to_end", "e2e_s"),
    Quantity("waste", LIVE, "kv_waste", _alone("live_share_of_allocated")),
    Quantity("waste", "unused share of the pool", "kv_waste", _alone("unused_pool_share_of_pool")),
    Quantity("capacity", "requests/s within the SLO", "slo_capacity", ("capacity_per_s", *_parts("repeats_per_s")[1:])),
    Quantity("capacity", "rows of the largest padded batch", "throughput", _alone("largest_batch_rows")),
    Quantity("capacity", "requests at once, planned", "capacity", _alone("requests_at_once")),
    Quantity("ratios", RATIO, "ratios", _ratio("ratio")),
    Quantity("ratios", RATIO, "attribution", _ratio("ratio")),
    Quantity("ratios", "requests/s within the SLO, ratio", "slo_ratios", _ratio("ratio")),
)


def values(folders: Sequence[Folder]) -> pd.DataFrame:
    """A row per machine and measured value, columns COLUMNS; rows of equal names stand together."""
    found = pd.DataFrame([row for folder in folders for row in _of_folder(folder)], columns=list(COLUMNS))
    found = found.drop_duplicates([*KEY, "machine"]).reset_index(drop=True)
    order = pd.DataFrame({name: pd.factorize(found[name])[0] for name in KEY})
    order["kind"] = found["kind"].map(KINDS.index)
    order["run"] += len(order) * found["run"].map(lambda run: engine_key(run.split()[0])[0])
    return found.loc[order.sort_values(list(KEY), kind="stable").index].reset_index(drop=True)


def _of_folder(folder: Folder) -> Iterator[dict[str, Any]]:
    served = work(folder)
    for quantity in QUANTITIES:
        table = folder.table(quantity.table)
        if quantity.columns[0] not in table:
            continue
        if quantity.where:
            table = table[table[quantity.where[0]] == quantity.where[1]]
        for row in table[table[quantity.columns[0]].notna()].to_dict("records"):
            names = {"kind": quantity.kind, "metric": quantity.metric, "model": row["model"]}
            names |= {"workload": row["workload"], "requests": _requests(row, served), "run": _run(row)}
            numbers = (row.get(column) if column else None for column in quantity.columns)
            yield {**names, "machine": folder.name, **dict(zip(VALUES, numbers, strict=True))}


def work(folder: Folder) -> dict[tuple[str, str, str], str]:
    """The requests of each model, workload and scope in words: their number, prompt and output tokens."""
    found: dict[tuple[str, str, str], str] = {}
    for row in folder.table("workloads").to_dict("records"):
        if row["quantity"] in ("prompt", "output"):
            key = (row["model"], row["workload"], "all")
            told = f"{number(round(row['n'] * row['mean_tokens']))}"
            found[key] = f"{found[key]} + {told} tokens)" if key in found else f"{number(row['n'])} ({told}"
    repeats = folder.table("repeats")
    if len(repeats):
        for row in repeats.drop_duplicates(["model", "workload", "scope"]).to_dict("records"):
            counts = (number(row[name]) for name in ("requests", "prompt_tokens", "output_tokens"))
            found[row["model"], row["workload"], row["scope"]] = "{} ({} + {} tokens)".format(*counts)
    return found


def _requests(row: Mapping[str, Any], served: Mapping[tuple[str, str, str], str]) -> str:
    key = (row["model"], row["workload"], row.get("scope", "all"))
    return served.get(key) or number(row.get("requests"))


def _run(row: Mapping[str, Any]) -> str:
    """The run, the two runs of a ratio, or the policy of a plan."""
    if "policy" in row:
        return f"{row['plan']}: {row['policy']}"
    point = row.get("point", "base")
    if "numerator" not in row:
        return run_label(row["engine"], point)
    other = row.get("denominator_point")
    below = run_label(row["denominator"], point if other is None or pd.isna(other) else other)
    return f"{run_label(row['numerator'], point)} / {below}"
