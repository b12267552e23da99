"""Read tables back from their files, as later rules do, and select rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kvbench.figures.data.rows import rows_of
from kvbench.files import read_table, write_csv


def read_back(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Write the table to `path` and return it as read back."""
    write_csv(path, table)
    return read_table(path)


def figure_rows(
    folder: Path, table: pd.DataFrame, model: str = "smollm2-135m", workload: str = "mixed"
) -> pd.DataFrame:
    """Write the table and return a model and workload's rows as a figure reads them from the file."""
    write_csv(folder / "table.csv", table)
    return rows_of(folder / "table.csv", model, workload)


def factor_row(table: pd.DataFrame, factor: str, part: str = "chain") -> pd.Series:
    """Return a factor's row in one part of the attribution table."""
    return only(table, factor=factor, part=part)


def only(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    """Return the only row with the given column values."""
    found = table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])]
    assert len(found) == 1
    return found.iloc[0]
