"""Parses a block of lines of CSV or JSONL at once with Arrow; where in doubt, says so rather than guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def csv_block(block: bytes, names: Sequence[str], types: Mapping[str, Any]) -> dict[str, NDArray] | None:
    """The columns of `types` as arrays, shape (lines,): numbers as floats, NaN for an empty cell, times as datetime64.

    `names` are the names of all columns in order, `types` Arrow's types of those that are wanted. None for a line with
    other columns or a cell of another type.
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
    return arrays(table, list(types))


def json_block(block: bytes, types: Mapping[str, Any]) -> Any:
    """An Arrow table of the keys of `types` of each object of a block of JSONL; None for a value of another type.

    So for a line that does not begin with a brace: Arrow 26 crashes where the first line is `null`.
    """
    import pyarrow as pa
    from pyarrow import json

    begun = block.startswith(b"{") + block.count(b"\n{")
    if begun != block.count(b"\n") + (not block.endswith(b"\n")):
        return None
    try:
        return json.read_json(
            pa.BufferReader(block),
            read_options=json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=json.ParseOptions(
                explicit_schema=pa.schema(list(types.items())), unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowInvalid:
        return None


def arrays(table: Any, names: Sequence[str]) -> dict[str, NDArray] | None:
    """These columns of an Arrow table, NaN for an empty cell; None if a cell has the word itself."""
    found = {name: table.column(name).to_numpy() for name in names}
    if any(np.isnan(values).sum() > table.column(name).null_count for name, values in found.items()):
        return None
    return found


def line_numbers(first: int, count: int) -> NDArray[np.int64]:
    """The numbers of `count` consecutive lines, the first of which has the number `first`."""
    return np.arange(first, first + count, dtype=np.int64)
