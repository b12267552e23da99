"""At most ten lines for the terminal: the answers of the report's first screen, and how to open it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.report.answers import Answer, Number
from kvbench.report.sections import first_screen

LINES = 10
REPORT, PLAN, OPEN = "results/report.html", "results/capacity.html", "make serve"


def in_short(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], seed: int, *, has_capacity: bool) -> str:
    """Lines of text; `tables` are those of the report, by name, `seed` is that of its intervals."""
    lines = _measured(tables, runs, seed) if runs else ["Nothing was measured: runs is empty."]
    last = f"Report: {REPORT}" + (f"; plan: {PLAN}" if has_capacity else "") + f"; open it with: {OPEN}"
    replayed = _replayed(tables["replays"]) if "replays" in tables else []
    room = LINES - len(lines) - 1
    if len(replayed) > room:
        replayed = [*replayed[: room - 1], f"{len(replayed) - room + 1} more replays are in the report."]
    return "\n".join([*lines, *replayed, last]) + "\n"


def _measured(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], seed: int) -> list[str]:
    """A title and the four answers of the model and workload that the report begins with."""
    model, workload, found = first_screen(tables, runs, seed)
    others = len({(run.model, run.workload) for run in runs}) - 1
    more = f" ({others} more in the report)" if others else ""
    return [f"{model}, {workload}{more}", *(f"  {line(answer)}" for answer in found)]


def line(answer: Answer) -> str:
    """The answer's title and numbers, or why there is none."""
    numbers = "; ".join(_number(number, answer.unit) for number in answer.numbers)
    return f"{answer.title}: {numbers or answer.missing.removesuffix('.')}."


def _number(number: Number, unit: str) -> str:
    around = f" {number.around}" if number.around else ""
    return f"{number.middle}{unit}{around} ({number.name})"


def _replayed(table: pd.DataFrame) -> list[str]:
    """One line per scenario: requests at once under each policy."""
    return [
        f"Replay {name}, requests at once: "
        + ", ".join(f"{row['policy']} {row['running_mean_requests']:.3g}" for _, row in rows.iterrows())
        for name, rows in table.groupby("scenario", sort=False)
    ]
