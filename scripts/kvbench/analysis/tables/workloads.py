"""Lengths of the workloads that were served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from kvbench.files import read_parquet
from kvbench.workload.selection import COUNTS, counts_of
from kvbench.workload.table import length_table, lengths_of


def table(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Three rows per workload file `.../<model>/<workload>.parquet`: tokens of prompt, output and their sum.

    Percentiles are nearest rank; of a user's file also how many requests it has and how many were left out, and why.
    UserError where a file is missing or broken.
    """
    rows = pd.concat(map(_rows, map(Path, paths)), ignore_index=True)
    return rows.astype(dict.fromkeys(COUNTS, "Int64"))  # integers even if some cells are empty


def _rows(path: Path) -> pd.DataFrame:
    workload = read_parquet(path)
    counts = counts_of(workload)
    names = {"model": path.parent.name, "workload": path.stem}
    of_file = asdict(counts) if counts else dict.fromkeys(COUNTS)
    lengths = length_table(*lengths_of(workload))
    return pd.concat([pd.DataFrame(names, lengths.index), lengths.assign(**of_file)], axis="columns")
