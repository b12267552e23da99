"""The claims' verdicts of several folders, and which of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.errors import UserError
from kvbench.report.across.folders import Folder
from kvbench.report.across.quantities import work
from kvbench.report.cells import NONE, span

NAMES = ("id", "model", "workload", "requests")


def verdicts(folders: Sequence[Folder]) -> pd.DataFrame:
    """A row per claim, model, workload and requests, with a column for each machine: its verdict and value.

    A claim is the same on two machines if its workload has the same requests there, by their totals.
    """
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for folder in folders:
        served = work(folder)
        for row in folder.table("claims").to_dict("records"):
            requests = served.get((row["model"], row["workload"], "all"), NONE)
            key = (row["id"], row["model"], row["workload"], requests)
            cells.setdefault(key, {})[folder.name] = judged(row)
    rows = [{**dict(zip(NAMES, key, strict=True)), **cells[key]} for key in sorted(cells)]
    return pd.DataFrame(rows, columns=[*NAMES, *(folder.name for folder in folders)]).astype(object).fillna(NONE)


def judged(row: Mapping[str, Any]) -> str:
    """A claim's verdict, and its value with the interval where there is one."""
    if pd.isna(row["value"]):
        return str(row["verdict"])
    ends = (row[f"value_{name}"] for name in ("ci95_low", "ci95_high", "min", "max"))
    return f"{row['verdict']}: {span(row['value'], *ends)}"


def verdict_of(cell: str) -> str:
    """The verdict in a cell of `verdicts`."""
    return cell.partition(":")[0]


def shared(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `verdicts` that at least two machines have; UserError if there is none."""
    machines = _machines(table)
    found = table[(table[machines] != NONE).sum(axis=1) > 1]
    if found.empty:
        raise UserError(
            f"{', '.join(machines)}: no claim was tested on the same requests in two of these folders; "
            "give folders of the same configuration"
        )
    return found


def changed(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `verdicts` in which machines that have the claim disagree."""
    told = table[_machines(table)].map(verdict_of)
    return table[[len(set(row) - {NONE}) > 1 for row in told.to_numpy()]]


def _machines(table: pd.DataFrame) -> list[str]:
    return [name for name in table if name not in NAMES]
