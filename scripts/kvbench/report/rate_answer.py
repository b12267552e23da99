"""The first screen's number where requests arrive over time: the largest rate within the limits, by engine."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from kvbench.analysis.slo_capacity import ABOVE, BRACKETED
from kvbench.analysis.statistics import PARTS
from kvbench.report.cells import number, span

KEY, TITLE, EVIDENCE = "rate", "Largest rate within the limits", "serving"
UNIT = " requests/s"
PAGED = "vllm"
# Beside vllm stands the first that ran of each: what its admission would be without pages, Transformers' own continuous
# batching, and padded batches.
BESIDE = (("vllm-reserved", "vllm-contiguous"), ("hf-continuous",), ("hf-batch", "hf-static"))
NO_BREAK = "\u00a0"
SPREAD = PARTS[1:]


def shown(capacities: pd.DataFrame) -> list[pd.Series]:
    """The rows of slo_capacity.csv of one model and workload that the first screen shows, vllm first."""
    rows = {row["engine"]: row for _, row in capacities.iterrows()}
    beside = (next((name for name in names if name in rows), None) for names in BESIDE)
    return [rows[name] for name in (PAGED, *beside) if name in rows]


def text(row: pd.Series) -> str:
    """An engine's capacity with its interval, or the rate that it lies above or below."""
    if row["where"] != BRACKETED:
        bound = row["highest_keeping_per_s"] if row["where"] == ABOVE else row["lowest_failing_per_s"]
        return f"{'above' if row['where'] == ABOVE else 'below'}{NO_BREAK}{number(bound)}"
    return span(row["capacity_per_s"], *(row[f"repeats_per_s_{part}"] for part in SPREAD))


def length(row: pd.Series, rows: Sequence[pd.Series]) -> float:
    """The length of an engine's bar, from 0 to 1: its rate over the largest."""
    return _rate(row) / (max(map(_rate, rows)) or 1)


def _rate(row: pd.Series) -> float:
    names = ("capacity_per_s", "highest_keeping_per_s", "lowest_failing_per_s")
    return next(float(row[name]) for name in names if pd.notna(row[name]))


def limits(row: pd.Series) -> str:
    """The limits in words."""
    times = f"first token in {row['slo_ttft_s']:g} s, then {row['slo_tpot_s']:g} s a token"
    return f"{100 * row['slo_share']:g}% of requests: {times}."
