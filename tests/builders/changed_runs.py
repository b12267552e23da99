"""Changes to the files of a run that is on disk."""

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
    """What run.json holds, to be changed; it is written when the block ends."""
    record = read_json(path)
    yield record
    write_json(path, record)


def replace_rows(path: Path, rows: pd.DataFrame) -> None:
    """Put these rows into a run's Parquet file, whose schema stays."""
    schema = read_parquet(path).schema
    write_parquet(path, pa.Table.from_pandas(rows, schema=schema, preserve_index=False))
