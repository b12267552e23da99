"""Tables of text with a column for each machine: metrics by kind, verdicts, and what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.report.across.folders import Folder
from kvbench.report.across.quantities import KEY, KINDS, VALUES, values
from kvbench.report.across.verdicts import verdicts
from kvbench.report.cells import NONE, span
from kvbench.report.comparison import flat
from kvbench.report.machine import machine_facts

VERDICTS = "Verdicts"
# Titles as in `comparison.compare`.
FOLDERS, MACHINES, VERSIONS, SETTINGS = ("Folders", "Machines", "Versions that differ", "Settings that differ")


def across(folders: Sequence[Folder]) -> dict[str, pd.DataFrame]:
    """Tables by title. A dash stands where a machine has no such row; what no machine has is left out."""
    found = values(folders)
    names = [folder.name for folder in folders]
    rows = [{"machine": one.name, "folder": str(one.path), "device": one.device} for one in folders]
    measured = {kind.capitalize(): by_machine(found[found["kind"] == kind], names) for kind in KINDS}
    measured[VERDICTS] = verdicts(folders)
    return {
        FOLDERS: pd.DataFrame(rows),
        **{title: table for title, table in measured.items() if len(table)},
        MACHINES: _side_by_side(folders, lambda one: machine_facts(one.environment), "fact", equal_too=True),
        VERSIONS: _side_by_side(folders, lambda one: one.versions, "package"),
        SETTINGS: _side_by_side(folders, lambda one: flat(one.config), "setting"),
    }


def by_machine(found: pd.DataFrame, machines: Sequence[str]) -> pd.DataFrame:
    """`quantities.values` with a column of text for each machine, in the order of the rows."""
    names = list(KEY[1:])
    cells = found.assign(text=[span(*row) for row in found[list(VALUES)].itertuples(index=False)])
    wide = {key: dict(zip(own["machine"], own["text"], strict=True)) for key, own in cells.groupby(names, sort=False)}
    rows = [{**dict(zip(names, key, strict=True)), **own} for key, own in wide.items()]
    return pd.DataFrame(rows, columns=[*names, *machines]).astype(object).fillna(NONE)


def _side_by_side(
    folders: Sequence[Folder], facts: Callable[[Folder], Mapping[str, Any]], what: str, equal_too: bool = False
) -> pd.DataFrame:
    """Keys with each folder's value, only those that differ or all; a dash where a folder lacks a key."""
    sides = {folder.name: facts(folder) for folder in folders}
    keys = dict.fromkeys(key for side in sides.values() for key in side)
    rows = [{what: key, **{name: _text(side.get(key)) for name, side in sides.items()}} for key in keys]
    differing = [row for row in rows if equal_too or len({row[name] for name in sides}) > 1]
    return pd.DataFrame(differing, columns=[what, *sides])


def _text(value: Any) -> str:
    return NONE if value is None else str(value)
