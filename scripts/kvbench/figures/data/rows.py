"""Rows of tables and lengths of a workload, in the form that figures need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kvbench.analysis.results import rows_of_pair
from kvbench.errors import UserError
from kvbench.files import read_parquet, read_table
from kvbench.workload.table import lengths_of


def rows_of(path: str | Path, model: str, workload: str) -> pd.DataFrame:
    """Rows of a table in results/tables for one model and workload, sorted by engine, with a column `label`.

    A table without engines keeps its order. UserError if the file is missing.
    """
    return rows_of_pair(read_table(path), model, workload)


def lengths(path: str | Path) -> dict[str, np.ndarray]:
    """Tokens of each request's prompt, output and both together, from a workload file."""
    prompt, output = lengths_of(read_parquet(path))
    return {"prompt": prompt, "output": output, "prompt + output": prompt + output}


def row_of(table: pd.DataFrame, name: str, **wanted: str) -> pd.Series:
    """The row of a table with these values; UserError naming the table if there is none."""
    found = table[np.logical_and.reduce([table[key] == value for key, value in wanted.items()])]
    if found.empty:
        raise UserError(f"results/tables/{name}: no row for {', '.join(wanted.values())}; delete it and run again")
    return found.iloc[0]


def by_engine(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each engine, in the order of the table."""
    return [rows for _, rows in table.groupby("engine", sort=False)]


def ends(rows: pd.DataFrame, name: str) -> tuple[pd.Series, pd.Series]:
    """The ends of the whiskers of column `name`: of intervals or, without these, of ranges."""
    low = rows[f"{name}_ci95_low"].astype(float).fillna(rows[f"{name}_min"].astype(float))
    return low, rows[f"{name}_ci95_high"].astype(float).fillna(rows[f"{name}_max"].astype(float))
