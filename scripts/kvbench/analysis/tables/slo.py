"""Capacity at an SLO: a row per engine, per repeat, and per pair of engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from kvbench.analysis.results import Place, Run
from kvbench.analysis.slo_capacity import Attained, attained, of_repeats, over_repeats
from kvbench.analysis.statistics import known_columns, ratio
from kvbench.analysis.tables.hosts import SAME, same_place
from kvbench.analysis.tables.repeats import WORK

PAIR = ("model", "workload")
CAPACITY = (
    *(*PAIR, "engine", "slo_ttft_s", "slo_tpot_s", "slo_share", "rates", "n_repeats", "n_processes"),
    *("capacity_per_s", "where", "highest_keeping_per_s", "lowest_failing_per_s"),
    *(f"repeats_per_s_{part}" for part in ("median", "ci95_low", "ci95_high", "min", "max")),
)
REPEATS = (*PAIR, "engine", "point", "scope", "process", "repeat", *WORK, "slo_capacity_per_s")
RATIOS = (
    *(*PAIR, "numerator", "denominator", "n_repeats", "ratio", "ratio_ci95_low", "ratio_ci95_high", "verdict"),
    *("numerator_per_s", "denominator_per_s", *SAME),
)
NUMERATOR = "vllm"
POINT = "slo"


def tables(runs: Sequence[Run], slo: Mapping[str, Any], seed: int) -> dict[str, pd.DataFrame]:
    """`slo_capacity`, `slo_repeats` and `slo_ratios` of runs with arrivals at two or more rates."""
    capacities, samples = [], []
    for (model, workload, engine), own in groupby(runs, key=lambda run: (run.model, run.workload, run.engine)):
        at = list(own)
        found = attained(at, slo)
        if len(found) < 2:
            continue
        names = {"model": model, "workload": workload, "engine": engine}
        each = _each(at, found, slo, names)
        samples += each
        capacities.append({**names, **_capacity(found, each, slo, seed)})
    repeats = pd.DataFrame(samples, columns=list(REPEATS))
    return {
        "slo_capacity": pd.DataFrame(capacities, columns=list(CAPACITY)),
        "slo_repeats": repeats,
        "slo_ratios": _ratios(repeats, _places(runs), seed),
    }


def _each(
    runs: Sequence[Run], found: Attained, slo: Mapping[str, Any], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A row per repeat with its capacity, empty where the rates do not enclose it."""
    work = {key: runs[0].timed("all")[0][key] for key in WORK}
    return [
        {
            **names,
            "point": POINT,
            "scope": "all",
            "process": process,
            "repeat": repeat,
            **work,
            "slo_capacity_per_s": one.per_s,
        }
        for (process, repeat), one in of_repeats(found, slo["share"]).items()
    ]


def _capacity(found: Attained, each: Sequence[Mapping[str, Any]], slo: Mapping[str, Any], seed: int) -> dict[str, Any]:
    known = over_repeats(found, slo["share"])
    values, processes = [row["slo_capacity_per_s"] for row in each], [row["process"] for row in each]
    over = known_columns("repeats_per_s", values, seed, processes)
    median = over["repeats_per_s_median"]
    return {
        **{f"slo_{name}": slo[name] for name in ("ttft_s", "tpot_s", "share")},
        "rates": len(found),
        "n_repeats": len(each),
        "n_processes": len(set(processes)),
        "capacity_per_s": known.per_s if median is None or known.per_s is None else median,
        "where": known.where,
        "highest_keeping_per_s": known.keeps,
        "lowest_failing_per_s": known.fails,
        **over,
    }


def _places(runs: Sequence[Run]) -> dict[tuple[str, str, str], list[Place]]:
    """Where all rates of each model, workload and engine were measured."""
    places: dict[tuple[str, str, str], list[Place]] = {}
    for run in runs:
        places.setdefault((run.model, run.workload, run.engine), []).extend(run.places)
    return places


def _ratios(repeats: pd.DataFrame, places: Mapping[tuple[str, str, str], list[Place]], seed: int) -> pd.DataFrame:
    """`vllm` over every other engine, where every repeat of both has a capacity."""
    rows = []
    for (model, workload), own in repeats.groupby(list(PAIR), sort=False):
        arms = dict(list(own.groupby("engine", sort=False)))
        above = arms.pop(NUMERATOR, None)
        for engine, below in arms.items() if above is not None else ():
            row = {"model": model, "workload": workload, "numerator": NUMERATOR, "denominator": engine}
            both = [place for name in (NUMERATOR, engine) for place in places[model, workload, name]]
            rows.append(row | _ratio(above, below, seed) | same_place(both))
    return pd.DataFrame(rows, columns=list(RATIOS))


def _ratio(above: pd.DataFrame, below: pd.DataFrame, seed: int) -> dict[str, Any]:
    values = [arm["slo_capacity_per_s"].astype(float) for arm in (above, below)]
    count = {"n_repeats": min(map(len, values))}
    if not count["n_repeats"] or any(arm.isna().any() for arm in values):
        return count
    found = ratio(*values, seed, (above["process"].tolist(), below["process"].tolist()))
    return count | {
        "ratio": found.value,
        "ratio_ci95_low": found.low,
        "ratio_ci95_high": found.high,
        "verdict": found.verdict,
        "numerator_per_s": found.numerator.median,
        "denominator_per_s": found.denominator.median,
    }
