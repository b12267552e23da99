"""Compares the targets of config/targets.yaml with the tables; no target is hard-coded here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.errors import UserError
from kvbench.yaml_files import check_keys, check_list, read_yaml

REACHED, MISSED, NOT_MEASURED = "reached", "missed", "not measured"
NEEDED = dict.fromkeys(("id", "says", "table", "column", "is"), str) | {"threshold": object}
OPTIONAL = {"where": dict, "kinds": list, "magnitude": bool}
# For each comparison: whether a value reaches the threshold, and a sort key that puts the worst value first.
COMPARISONS = {
    "at_least": (lambda value, threshold: value >= threshold, lambda value, threshold: value),
    "at_most": (lambda value, threshold: value <= threshold, lambda value, threshold: -value),
    "equals": (lambda value, threshold: value == threshold, lambda value, threshold: value == threshold),
}
SYMBOLS = {"at_least": "≥", "at_most": "≤", "equals": "="}
OF = ("name", "model", "workload", "engine", "point")
COLUMNS = ("id", "says", "measured", "is", "threshold", "verdict", "rows", "of")


def read_targets(path: str | Path) -> list[dict[str, Any]]:
    """Read and check targets.yaml; UserError names the target and what is wrong with it."""
    given = read_yaml(path)
    check_keys(str(path), given, {"targets": list})
    check_list(f"{path}: targets", given["targets"], dict)
    for target in given["targets"]:
        at = f"{path}: {target.get('id', 'a target without id')}"
        check_keys(at, target, NEEDED, OPTIONAL)
        if target["is"] not in COMPARISONS:
            raise UserError(f"{at}: is: {target['is']}: unknown comparison; use {', '.join(COMPARISONS)}")
        if not isinstance(target["threshold"], str if target["is"] == "equals" else int | float):
            raise UserError(
                f"{at}: threshold: {target['threshold']!r} cannot be compared by {target['is']}; correct it"
            )
        check_list(f"{at}: kinds", target.get("kinds", []), str)
    return given["targets"]


def table(
    targets: Sequence[Mapping[str, Any]], tables: Mapping[str, pd.DataFrame], kinds: Mapping[str, str]
) -> pd.DataFrame:
    """COLUMNS, one row per target, with the worst value of its rows and where it occurred; `kinds`: workload to kind.

    UserError if a target names a table or column that does not exist.
    """
    return pd.DataFrame([_row(target, tables, kinds) for target in targets], columns=list(COLUMNS))


def _row(target: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], kinds: Mapping[str, str]) -> dict[str, Any]:
    row = {key: target[key] for key in ("id", "says", "is", "threshold")}
    found = _rows(target, tables, kinds)
    if found.empty:
        return row | {"verdict": NOT_MEASURED, "rows": 0}
    holds, badness = COMPARISONS[target["is"]]
    values = found[target["column"]].abs() if target.get("magnitude") else found[target["column"]]
    worst = min(range(len(values)), key=lambda place: badness(values.iloc[place], target["threshold"]))
    value = values.iloc[worst]
    verdict = REACHED if holds(value, target["threshold"]) else MISSED
    names = [str(found.iloc[worst][name]) for name in OF if name in found]
    return row | {"measured": value, "verdict": verdict, "rows": len(found), "of": ", ".join(names)}


def _rows(target: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], kinds: Mapping[str, str]) -> pd.DataFrame:
    """The rows of the target's table that it covers and that have a value."""
    at = f"config/targets.yaml: {target['id']}"
    if target["table"] not in tables:
        raise UserError(f"{at}: table: {target['table']}: unknown table; use one of {', '.join(sorted(tables))}")
    rows = tables[target["table"]]
    for name in (target["column"], *target.get("where", {})):
        if name not in rows:
            raise UserError(f"{at}: results/tables/{target['table']}.csv has no column {name}; correct its name")
    for name, value in target.get("where", {}).items():
        rows = rows[rows[name] == value]
    if "kinds" in target:
        rows = rows[rows["workload"].map(kinds).isin(target["kinds"])]
    return rows[rows[target["column"]].notna()]


def lines(table: pd.DataFrame) -> list[str]:
    """Lines for the terminal: one for each measured target and one for all others."""
    known = table["verdict"] != NOT_MEASURED
    others = ", ".join(table.loc[~known, "id"])
    measured = [_line(row) for row in table[known].to_dict("records")]
    return [*measured, f"targets {NOT_MEASURED}: {others}"] if others else measured


def _line(row: Mapping[str, Any]) -> str:
    goal = f"{row['id']} {SYMBOLS[row['is']]} {row['threshold']}"
    value = row["measured"] if isinstance(row["measured"], str) else f"{row['measured']:.4g}"
    return f"target {goal}: {value} ({row['of']}), {row['verdict']}"
