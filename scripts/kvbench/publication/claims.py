"""What the published runs say of each claim, and how far a repetition may be from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.claims import NOT_MEASURABLE, NOT_SUPPORTED, SUPPORTED, Claims
from kvbench.config.wording import suggest
from kvbench.errors import UserError
from kvbench.publication.runs import Run

JUDGED = (SUPPORTED, NOT_SUPPORTED)
LIST = "list"
UNTESTED = "no published run has tested it"


def rows_of(run: Run, claim: str) -> pd.DataFrame:
    """A claim's rows in claims.csv of the published run; empty if it has none."""
    table = run.published.table("claims") if run.published else pd.DataFrame()
    return table[table["id"] == claim] if len(table) else table


def judging(runs: Mapping[str, Run], claim: str) -> list[Run]:
    """The published runs with a verdict on a claim, the easiest to repeat first; else those that have its value."""
    rows = {run.name: rows_of(run, claim) for run in sorted(runs.values(), key=lambda run: run.order)}
    having = {name: own for name, own in rows.items() if len(own)}
    found = [runs[name] for name, own in having.items() if own["verdict"].isin(JUDGED).any()]
    return found or [runs[name] for name, own in having.items() if own["value"].notna().any()]


def chosen(runs: Mapping[str, Run], claims: Claims, claim: str, name: str | None = None) -> Run:
    """The run that repeats a claim: that of `name`, else the easiest. UserError if there is none."""
    by_id = {one["id"]: one for one in claims.claims}
    if claim not in by_id:
        raise UserError(f"CLAIM={claim}: no such claim; {suggest(claim, by_id)}, or CLAIM={LIST}")
    if "untestable" in by_id[claim]:
        raise UserError(f"CLAIM={claim}: cannot be tested: {by_id[claim]['untestable']}; CLAIM={LIST} lists the others")
    names = [run.name for run in runs.values() if len(rows_of(run, claim))]
    if not names:
        raise UserError(f"CLAIM={claim}: {UNTESTED}; CLAIM={LIST} lists the others")
    if name is not None and name not in names:
        raise UserError(f"RUN={name}: no published run of this name has {claim}; use {', '.join(names)}")
    if name is None and not judging(runs, claim):
        raise UserError(f"CLAIM={claim}: no published run has a value of it; name one of {', '.join(names)} as RUN")
    return runs[name] if name is not None else judging(runs, claim)[0]


def why_not(runs: Mapping[str, Run], claim: str) -> str:
    """Why no published run has a value of a claim: the first one's reason."""
    reasons = (str(own["reason"].iloc[0]) for run in runs.values() if len(own := rows_of(run, claim)))
    return next(reasons, UNTESTED)


def tolerance(row: Mapping[str, Any]) -> str:
    """What has to hold of the interval for the published verdict, and the end of it that is nearest to the limit."""
    if row["verdict"] == NOT_MEASURABLE:
        return f"no verdict: {row['reason']}"
    upward = row["is"] in ("above", "at_least")
    limit = f"{row['is'].replace('_', ' ')} {row['threshold']:g}"
    holds = row["verdict"] == SUPPORTED
    end = row["value_ci95_low"] if upward == holds else row["value_ci95_high"]
    side = "from" if upward == holds else "to"
    return f"{'all' if holds else 'none'} of the interval {limit} (published: {side} {end:.3g})"


def shown(rows: pd.DataFrame) -> Sequence[Mapping[str, Any]]:
    """The rows with a verdict, or where there are none those with a value."""
    judged = rows[rows["verdict"].isin(JUDGED)]
    return (judged if len(judged) else rows[rows["value"].notna()]).to_dict("records")
