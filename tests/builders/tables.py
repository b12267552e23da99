"""Tables through their files, as later rules read them, and single rows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kvbench.analysis.results import read_table
from kvbench.figures.data.rows import rows_of
from kvbench.files import write_csv


def read_back(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The table as it comes out of the file that it is written to."""
    write_csv(path, table)
    return read_table(path)


def figure_rows(
    folder: Path, table: pd.DataFrame, model: str = "smollm2-135m", workload: str = "mixed"
) -> pd.DataFrame:
    """The rows of a model and workload as a figure's rule reads them from the table's file."""
    write_csv(folder / "table.csv", table)
    return rows_of(folder / "table.csv", model, workload)


def factor_row(table: pd.DataFrame, factor: str, part: str = "chain") -> pd.Series:
    """The row of a factor in a part of the table of attribution."""
    return only(table, factor=factor, part=part)


def only(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    """The one row whose columns have these values."""
    found = table[np.logical_and.reduce([table[name] == value for name, value in wanted.items()])]
    assert len(found) == 1
    return found.iloc[0]
