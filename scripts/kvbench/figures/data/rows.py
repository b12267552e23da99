"""Rows of tables and lengths of a workload, in the form that figures need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kvbench.analysis.results import engine_key, read_table, run_label
from kvbench.errors import UserError
from kvbench.files import read_parquet
from kvbench.workload.table import lengths_of


def rows_of(path: str | Path, model: str, workload: str) -> pd.DataFrame:
    """Rows of a table in results/tables for one model and workload, sorted by engine, with a column `label`.

    A table without engines keeps its order. UserError if the file is missing.
    """
    frame = read_table(path)
    frame = frame[(frame["model"] == model) & (frame["workload"] == workload)]
    if "engine" not in frame:
        return frame.reset_index(drop=True)
    points = frame["point"] if "point" in frame else ["base"] * len(frame)
    labels = [run_label(engine, point) for engine, point in zip(frame["engine"], points, strict=True)]
    frame = frame.assign(label=labels).sort_values("engine", key=lambda names: names.map(engine_key), kind="stable")
    return frame.reset_index(drop=True)


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
