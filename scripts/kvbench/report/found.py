"""A few lines for the terminal with the results: the first sentences of the report, and where to find the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.report.summary import sentences

# Number of sentences, divided evenly between models and workloads, at least one each; the report has longer ones too.
SENTENCES = 8
LONGEST = 200
UNKNOWN = "has no number"  # sentences that the terminal leaves out; the report gives the reason
REPORT, PLAN = "results/report.html", "results/capacity.html"


def in_short(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], *, has_capacity: bool) -> str:
    """Lines of text; `tables` are those of the report, by name."""
    pairs = dict.fromkeys((run.model, run.workload) for run in runs)
    of_runs = {name: table for name, table in tables.items() if {"model", "workload"} <= set(table)}
    lines = [] if pairs else ["Nothing was measured: runs is empty."]
    for model, workload in pairs:
        told = [s for s in sentences(of_runs, model, workload) if len(s) <= LONGEST and UNKNOWN not in s]
        lines += [f"{model}, {workload}", *(f"  {s}" for s in told[: max(1, SENTENCES // len(pairs))])]
    if "replays" in tables:
        lines += _replayed(tables["replays"])
    return "\n".join([*lines, f"All of it: {REPORT}" + (f"; the plan: {PLAN}" if has_capacity else "")]) + "\n"


def _replayed(table: pd.DataFrame) -> list[str]:
    """One line per scenario: requests at once under each policy."""
    return [
        f"Replay {name}, requests at once: "
        + ", ".join(f"{row['policy']} {row['running_mean_requests']:.3g}" for _, row in rows.iterrows())
        for name, rows in table.groupby("scenario", sort=False)
    ]
