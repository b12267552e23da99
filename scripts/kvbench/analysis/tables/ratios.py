"""Ratios of each engine's output tokens per second to a reference engine's, on the same requests, with both values."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run, processes_of
from kvbench.analysis.statistics import PARTS, ratio
from kvbench.analysis.tables.hosts import SAME, same_place
from kvbench.analysis.tables.throughput import rates
from kvbench.errors import UserError

log = logging.getLogger(__name__)

METRIC = "output_tokens_per_s"
REFERENCES = (("hf-sequential", "sequential"), ("hf-batch", "all"))
COLUMNS = (
    *("model", "workload", "point", "scope", "numerator", "denominator", "denominator_point", "requests"),
    *("numerator_n_repeats", "denominator_n_repeats", "numerator_n_processes", "denominator_n_processes"),
    *(f"{arm}_{METRIC}_{part}" for arm in ("numerator", "denominator") for part in PARTS),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "interval_against_1", *SAME),
)


def table(runs: Sequence[Run], seed: int) -> pd.DataFrame:
    """A row per run, reference and scope in which both served the same requests."""
    rows = []
    for engine, scope in REFERENCES:
        for run in runs:
            below = _reference(runs, run, engine)
            if below is not None and below is not run:
                rows.append(_row(run, below, scope, seed))
    return pd.DataFrame([row for row in rows if row], columns=list(COLUMNS))


def arm(run: Run, scope: str) -> list[dict[str, Any]]:
    """A run's timed repeats of a scope; if the workload has no subset, `sequential` means all requests."""
    return run.timed(scope) or (run.timed("all") if scope == "sequential" else [])


def same_work(above: Sequence[dict[str, Any]], below: Sequence[dict[str, Any]]) -> bool:
    """Whether all repeats served the same requests, by their totals and, if known, the digest of their content."""
    both = [*above, *below]
    totals = {(r["requests"], r["prompt_tokens"], r["output_tokens"]) for r in both}
    return len(totals) == 1 and len({r["requests_digest"] for r in both} - {None}) <= 1


def ratio_columns(above: Sequence[dict[str, Any]], below: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """Ratio of the median METRIC of two arms, with both absolute values and their counts, as table columns."""
    values = ([rates(repeat)[METRIC] for repeat in repeats] for repeats in (above, below))
    found = ratio(*values, seed, (processes_of(above), processes_of(below)))
    return {
        "numerator_n_repeats": found.numerator.n,
        "denominator_n_repeats": found.denominator.n,
        "numerator_n_processes": len(set(processes_of(above))),
        "denominator_n_processes": len(set(processes_of(below))),
        **found.numerator.columns(f"numerator_{METRIC}"),
        **found.denominator.columns(f"denominator_{METRIC}"),
        "ratio": found.value,
        "ratio_ci95_low": found.low,
        "ratio_ci95_high": found.high,
        "interval_against_1": found.verdict,
        **same_place([repeat["place"] for repeat in (*above, *below)]),
    }


def _row(run: Run, below: Run, scope: str, seed: int) -> dict[str, Any] | None:
    numerators, denominators = arm(run, scope), arm(below, scope)
    if not numerators or not denominators:
        return None
    if not same_work(numerators, denominators):
        if run.timed(scope) and below.timed(scope):
            raise UserError(
                f"{run.folder}: its requests or tokens differ from those of {below.folder}; delete both folders "
                "and run again"
            )
        log.warning("%s: no repeats of the requests that %s served; no ratio", run.folder, below.folder)
        return None
    row = {
        "model": run.model,
        "workload": run.workload,
        "point": run.point,
        "scope": numerators[0]["scope"],
        "numerator": run.engine,
        "denominator": below.engine,
        "denominator_point": below.point,
        "requests": numerators[0]["requests"],
    }
    return row | ratio_columns(numerators, denominators, seed)


def _reference(runs: Sequence[Run], run: Run, engine: str) -> Run | None:
    """The reference engine's run on the same model and workload, at the same point or else at `base`.

    None if the budgets of the two runs differ, as at a point of a sweep of the budget.
    """
    found = {r.point: r for r in runs if (r.model, r.workload, r.engine) == (run.model, run.workload, engine)}
    below = found.get(run.point, found.get("base"))
    return below if below is not None and _budget(below) == _budget(run) else None


def _budget(run: Run) -> int:
    return run.record["capacity"]["budget_bytes"]
