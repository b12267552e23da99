"""Output tokens per second of each repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from kvbench.analysis.results import SCOPES, Run, processes_of
from kvbench.analysis.tables.throughput import disturbances, rates
from kvbench.figures.data.rows import row_of


@dataclass(frozen=True)
class Speed:
    """One run's output tokens per second in a scope: its repeats by process, and the summary from throughput.csv."""

    label: str
    engine: str
    requests: int
    repeats: tuple[float, ...]
    disturbed: tuple[bool, ...]
    processes: int
    median: float
    low: float | None
    high: float | None


def speeds(runs: Sequence[Run], table: pd.DataFrame) -> dict[str, list[Speed]]:
    """Speeds by scope, in the order of the runs; UserError if throughput.csv lacks a run.

    A run whose requests arrive over time is left out: its throughput is that of the arrivals.
    """
    found: dict[str, list[Speed]] = {}
    for run in (run for run in runs if not run.arrives):
        for scope in SCOPES:
            if repeats := run.timed(scope):
                row = row_of(table, "throughput.csv", **run.names, scope=scope)
                found.setdefault(scope, []).append(_speed(run, scope, repeats, row))
    return {scope: found[scope] for scope in SCOPES if scope in found}


def _speed(run: Run, scope: str, repeats: Sequence[dict[str, Any]], row: pd.Series) -> Speed:
    low, high = (_known(row[f"output_tokens_per_s_ci95_{end}"]) for end in ("low", "high"))
    values = tuple(rates(r)["output_tokens_per_s"] for r in repeats)
    count, median = len(set(processes_of(repeats))), row["output_tokens_per_s_median"]
    flags = tuple(map(bool, disturbances(run, scope)))
    return Speed(run.label, run.engine, repeats[0]["requests"], values, flags, count, median, low, high)


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
