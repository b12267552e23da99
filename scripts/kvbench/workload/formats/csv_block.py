"""Parses a block of CSV lines at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def csv_block(block: bytes, names: Sequence[str], types: Mapping[str, Any]) -> dict[str, NDArray[np.float64]] | None:
    """The columns of `types` as arrays of floats, shape (lines,), NaN for an empty cell.

    `names` are the names of all columns in order, `types` Arrow's types of those that are wanted. None for a line with
    other columns or a cell of another type; times must not be empty.
    """
    import pyarrow as pa
    from pyarrow import csv

    columns = [name if name in types else f"column {at}" for at, name in enumerate(names)]
    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            read_options=csv.ReadOptions(column_names=columns, use_threads=False, block_size=len(block)),
            convert_options=csv.ConvertOptions(
                column_types=dict(types), include_columns=list(types), null_values=[""], check_utf8=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    return {name: table.column(name).to_numpy() for name in types}


def line_numbers(first: int, count: int) -> NDArray[np.int64]:
    """The numbers of `count` consecutive lines, the first of which has the number `first`."""
    return np.arange(first, first + count, dtype=np.int64)
