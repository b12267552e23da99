"""Tests the claims of config/claims.yaml against the tables; no claim is hard-coded here.

A metric is taken from a column of repeats.csv or slo_repeats.csv: the median over an engine's repeats, or the ratio of
the medians of two engines (or two points) on the same requests. A verdict needs the whole 95% interval on one side of
the threshold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.results import SCOPES, run_label
from kvbench.analysis.statistics import ratio, summarise
from kvbench.analysis.tables.repeats import WORK
from kvbench.engines.names import ENGINES
from kvbench.errors import UserError
from kvbench.workload.options import DEFAULTS
from kvbench.yaml_files import check_keys, check_list, read_yaml

SUPPORTED, NOT_SUPPORTED, NOT_MEASURABLE = "supported", "not supported", "not measurable here"
POINT = "base"
KEYS = dict.fromkeys(("id", "source", "wording", "quotation", "reading"), str)
TEST = {"metric": dict, "is": str, "threshold": float}
LEAST = dict.fromkeys(("min_repeats", "min_processes", "min_requests"), int)
OPTIONAL = {"published": str, "requires": list, "kinds": list} | LEAST
METRIC = dict.fromkeys(("column", "engine", "scope"), str), dict.fromkeys(("over", "point", "over_point"), str)

# A claim holds if the first function is true for the interval (low, high) and threshold, and fails if the second is.
COMPARISONS = {
    "above": (lambda low, high, t: low > t, lambda low, high, t: high <= t),
    "below": (lambda low, high, t: high < t, lambda low, high, t: low >= t),
    "at_least": (lambda low, high, t: low >= t, lambda low, high, t: high < t),
    "at_most": (lambda low, high, t: high <= t, lambda low, high, t: low > t),
}
COLUMNS = (
    *("model", "workload", "id", "source", "wording", "quotation", "reading", "metric", "is", "threshold"),
    *("threshold_from", "published", "requests", "n_repeats", "n_processes"),
    *("value", "value_ci95_low", "value_ci95_high"),
    *("value_min", "value_max", "engine_median", "over_median", "verdict", "reason"),
)


@dataclass(frozen=True)
class Claims:
    """The content of claims.yaml: the number of repeats that a verdict needs, conditions by name, and the claims."""

    min_repeats: int
    conditions: dict[str, dict[str, Any]]
    claims: tuple[dict[str, Any], ...]


class Unmeasured(Exception):
    """Raised with the reason why a claim has no verdict."""


def samples(*tables: pd.DataFrame) -> pd.DataFrame:
    """The rows of all tables of repeats (repeats.csv, slo_repeats.csv); a claim's metric is a column of any of them."""
    columns = dict.fromkeys(name for table in tables for name in table.columns)
    filled = [table for table in tables if len(table)] or list(tables[:1])
    return pd.concat(filled, ignore_index=True).reindex(columns=list(columns))


def read_claims(path: str | Path) -> Claims:
    """Read and check claims.yaml; UserError names the claim and what is wrong with it."""
    given = read_yaml(path)
    check_keys(str(path), given, {"min_repeats": int, "claims": list}, {"conditions": dict})
    check_list(f"{path}: claims", given["claims"], dict)
    found = Claims(given["min_repeats"], given.get("conditions", {}), tuple(given["claims"]))
    for name, condition in found.conditions.items():
        check_keys(f"{path}: conditions.{name}", condition, TEST | {"otherwise": str})
        _check_test(f"{path}: conditions.{name}", condition)
    for claim in found.claims:
        _check(f"{path}: {claim.get('id', 'a claim without id')}", claim, found.conditions)
    ids = [claim["id"] for claim in found.claims]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise UserError(f"{path}: {twice[0]}: this id occurs twice; rename one")
    return found


def _check(at: str, claim: Mapping[str, Any], conditions: Mapping[str, Any]) -> None:
    tested = {"untestable": str} if "untestable" in claim else TEST | {"threshold_from": str}
    check_keys(at, claim, KEYS | tested, OPTIONAL)
    for key, known in (("requires", conditions), ("kinds", DEFAULTS)):
        check_list(f"{at}: {key}", claim.get(key, []), str)
        for name in claim.get(key, ()):
            _check_name(f"{at}: {key}", name, known)
    if "untestable" not in claim:
        _check_test(at, claim)


def _check_test(at: str, test: Mapping[str, Any]) -> None:
    check_keys(f"{at}: metric", test["metric"], *METRIC)
    for key, known in (("engine", ENGINES), ("over", ENGINES), ("scope", SCOPES)):
        if key in test["metric"]:
            _check_name(f"{at}: metric: {key}", test["metric"][key], known)
    if "over_point" in test["metric"] and "over" not in test["metric"]:
        raise UserError(
            f"{at}: metric: over_point needs over; add over with the engine (the same one to compare two of its points)"
        )
    _check_name(f"{at}: is", test["is"], COMPARISONS)


def _check_name(at: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise UserError(f"{at}: {name}: unknown; use {', '.join(known)}")


def table(claims: Claims, repeats: pd.DataFrame, seed: int, kinds: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A row per claim, model and workload, from the repeats (repeats.csv) at point `base` or at the points it names.

    `kinds` gives each workload's kind. A workload that was run only at swept points has rows only for claims that name
    a point. UserError if a claim names a column that repeats.csv does not have.
    """
    rows = [
        {"model": model, "workload": workload, **_row(claim, claims, found, seed, (kinds or {}).get(str(workload)))}
        for (model, workload), found in repeats.groupby(["model", "workload"], sort=False)
        for claim in claims.claims
        if "point" in claim.get("metric", {}) or (found["point"] == POINT).any()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    claim: Mapping[str, Any], claims: Claims, repeats: pd.DataFrame, seed: int, kind: str | None
) -> dict[str, Any]:
    row = {key: claim.get(key) for key in ("id", "source", "wording", "quotation", "reading", "published")}
    if "untestable" in claim:
        return row | {"verdict": NOT_MEASURABLE, "reason": claim["untestable"]}
    row |= {key: claim[key] for key in ("is", "threshold", "threshold_from")} | {"metric": metric_name(claim["metric"])}
    try:
        _require_kind(claim, kind)
        measured = _measure(claim["metric"], repeats, seed)
        row |= {key: value for key, value in measured.items() if not key.startswith("value")}
        for name in claim.get("requires", ()):
            _require(claims.conditions[name], repeats, seed)
        row |= measured
        verdict, reason = judge({"min_repeats": claims.min_repeats, **claim}, row)
    except Unmeasured as why:
        verdict, reason = NOT_MEASURABLE, str(why)
    return row | {"verdict": verdict, "reason": reason}


def metric_name(metric: Mapping[str, str]) -> str:
    """A metric in words: column, engines with their points outside `base`, scope."""
    return f"{metric['column']}: {' / '.join(run_label(*arm) for arm in _arms(metric))} ({metric['scope']})"


def _arms(metric: Mapping[str, str]) -> list[tuple[str, str]]:
    """Engine and point of the metric's numerator and, for a ratio, of its denominator."""
    arms = [(metric["engine"], metric.get("point", POINT))]
    return [*arms, (metric["over"], metric.get("over_point", POINT))] if "over" in metric else arms


def judge(claim: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, str]:
    """The verdict and its reason from a measured value and its interval."""
    low, high, threshold = row["value_ci95_low"], row["value_ci95_high"], claim["threshold"]
    if row["n_repeats"] < claim["min_repeats"] or low is None:
        return NOT_MEASURABLE, f"n = {row['n_repeats']}; a verdict needs {claim['min_repeats']} repeats"
    if row["requests"] < claim.get("min_requests", 0):
        return NOT_MEASURABLE, f"{row['requests']} requests; a verdict needs {claim['min_requests']}"
    holds, fails = (test(low, high, threshold) for test in COMPARISONS[claim["is"]])
    if not (holds or fails):
        return NOT_MEASURABLE, f"the interval has values on both sides of {threshold:g}"
    if row["n_processes"] < claim.get("min_processes", 0):
        return NOT_MEASURABLE, f"processes of an engine: {row['n_processes']}; a verdict needs {claim['min_processes']}"
    verdict, part = (SUPPORTED, "the whole") if holds else (NOT_SUPPORTED, "no part of the")
    return verdict, f"{part} interval is {claim['is'].replace('_', ' ')} {threshold:g}"


def _measure(metric: Mapping[str, str], repeats: pd.DataFrame, seed: int) -> dict[str, Any]:
    if metric["column"] not in repeats:
        raise UserError(f"config/claims.yaml: metric: results/tables/repeats.csv has no column {metric['column']}")
    names = [run_label(*arm) for arm in _arms(metric)]
    arms = [_arm(repeats, engine, point, metric) for engine, point in _arms(metric)]
    work = pd.concat(arms)
    if len(work[list(WORK)].drop_duplicates()) > 1:
        raise Unmeasured(f"{' and '.join(names)} have no repeats of the same requests")
    values = [arm[metric["column"]].to_numpy(dtype=float) for arm in arms]
    found = {"requests": int(work["requests"].iloc[0]), "n_repeats": min(map(len, values))}
    processes = [arm["process"].tolist() for arm in arms]
    found["n_processes"] = min(len(set(own)) for own in processes)
    found |= dict(zip(("engine_median", "over_median"), map(float, map(np.median, values)), strict=False))
    return found | (_one(values, processes, seed) if len(values) == 1 else _two(values, processes, names, seed))


def _arm(repeats: pd.DataFrame, engine: str, point: str, metric: Mapping[str, str]) -> pd.DataFrame:
    """An engine's repeats at a point and scope with known values; scope `all` if the workload has no subset."""
    rows = repeats[(repeats["engine"] == engine) & (repeats["point"] == point)]
    if rows.empty:
        raise Unmeasured(f"{run_label(engine, point)} was not run")
    scoped = rows[rows["scope"] == metric["scope"]]
    if scoped.empty and metric["scope"] == "sequential":
        scoped = rows[rows["scope"] == "all"]
    if scoped.empty:
        raise Unmeasured(f"{run_label(engine, point)} did not serve all requests")
    known = scoped[scoped[metric["column"]].notna()]
    if known.empty:
        raise Unmeasured(f"{metric['column']} of {run_label(engine, point)} is not known here")
    return known


def _one(values: Sequence[np.ndarray], processes: Sequence[list[int]], seed: int) -> dict[str, Any]:
    found = summarise(values[0], seed, processes[0])
    return _value(found.median, found.low, found.high, found.minimum, found.maximum)


def _two(
    values: Sequence[np.ndarray], processes: Sequence[list[int]], names: Sequence[str], seed: int
) -> dict[str, Any]:
    above, below = values
    if below.min() <= 0:
        raise Unmeasured(f"no ratio: {names[1]} has a value of {below.min():g}")
    found = ratio(above, below, seed, tuple(processes))
    return _value(found.value, found.low, found.high, above.min() / below.max(), above.max() / below.min())


def _value(value: float, low: float | None, high: float | None, least: float, most: float) -> dict[str, Any]:
    return {"value": value, "value_ci95_low": low, "value_ci95_high": high, "value_min": least, "value_max": most}


def _require_kind(claim: Mapping[str, Any], kind: str | None) -> None:
    """Unmeasured if the claim applies only to other kinds of workload."""
    wanted = claim.get("kinds", ())
    if wanted and kind not in wanted:
        raise Unmeasured(f"it is of workloads of kind {' or '.join(wanted)}")


def _require(condition: Mapping[str, Any], repeats: pd.DataFrame, seed: int) -> None:
    value = _measure(condition["metric"], repeats, seed)["value"]
    if not COMPARISONS[condition["is"]][0](value, value, condition["threshold"]):
        raise Unmeasured(f"{condition['otherwise']} ({metric_name(condition['metric'])} is {value:.3g})")
