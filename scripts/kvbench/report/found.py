"""What was found, in a few lines for the terminal: the first sentences of the report, and where the rest is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.report.summary import sentences

# Sentences in all, shared out evenly between models and workloads, each at least one; longer ones are for the report.
SENTENCES = 8
LONGEST = 200
UNKNOWN = "has no number"  # why not, the report says
REPORT, PLAN = "results/report.html", "results/capacity.html"


def in_short(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], *, has_capacity: bool) -> str:
    """Lines of text; `tables` by their names, as the report has them."""
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
    """A line a scenario: requests at once under each policy."""
    return [
        f"Replay {name}, requests at once: "
        + ", ".join(f"{row['policy']} {row['running_mean_requests']:.3g}" for _, row in rows.iterrows())
        for name, rows in table.groupby("scenario", sort=False)
    ]
