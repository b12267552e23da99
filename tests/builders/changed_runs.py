"""Edit the files of a run on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from kvbench.files import read_json, read_parquet, write_json, write_parquet


@contextmanager
def changed_record(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the contents of run.json for editing and write them back when the block ends."""
    record = read_json(path)
    yield record
    write_json(path, record)


def replace_rows(path: Path, rows: pd.DataFrame) -> None:
    """Replace the rows of a run's Parquet file and keep its schema."""
    schema = read_parquet(path).schema
    write_parquet(path, pa.Table.from_pandas(rows, schema=schema, preserve_index=False))
