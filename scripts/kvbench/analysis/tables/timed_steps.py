"""The steps of a run's timed repeats, read batch by batch to limit memory use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kvbench.files import read_batches

BATCH_ROWS = 1 << 16


def timed_steps(path: Path, repeats: Sequence[int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of rows of a kv.parquet, with `columns`: the steps of `repeats` in which a request runs.

    The idle row at the end of each repeat is left out. UserError if the file is missing.
    """
    wanted = pa.array(sorted(repeats), pa.int16())
    for batch in read_batches(path, ["repeat", "running", *columns], BATCH_ROWS):
        busy = pc.and_(pc.is_in(batch["repeat"], value_set=wanted), pc.greater(batch["running"], 0))
        rows = batch.filter(busy).select(list(columns))
        if rows.num_rows:
            yield rows
