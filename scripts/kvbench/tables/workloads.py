"""Lengths of the workloads that were served."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from kvbench.files import read_parquet
from kvbench.workload.table import length_table, lengths_of


def table(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Three rows a workload file `.../<model>/<workload>.parquet`: tokens of prompt, output and their sum.

    Percentiles are nearest rank. UserError where a file is missing or broken.
    """
    frames = []
    for path in map(Path, paths):
        lengths = length_table(*lengths_of(read_parquet(path)))
        lengths.insert(0, "model", path.parent.name)
        lengths.insert(1, "workload", path.stem)
        frames.append(lengths)
    return pd.concat(frames, ignore_index=True)
