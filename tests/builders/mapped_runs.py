"""Small runs as a block map reads them: what the simulated engines leave out, and a workload of their requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from builders.changed_runs import replace_rows
from builders.runs import write_run
from builders.simulated_requests import Request
from kvbench.files import read_json, read_parquet, write_json, write_parquet
from kvbench.records import SPLIT, WORKLOAD

ZERO = ("running", "waiting", "scheduled_tokens", "allocated", "unshared", *SPLIT)
FIRST_HF_BLOCK = 2


def mapped_run(root: Path, engine: str, requests: list[Request], **given) -> Path:
    """A run whose batches and passes end with a closing row, and whose rows run until their request ends."""
    path = write_run(root, engine, requests=requests, sequential=len(requests), repeats=1, **given)
    kv = read_parquet(path.parent / "kv.parquet").to_pandas()
    record = read_json(path)
    frames = [_closed(rows, repeat, record, requests) for repeat, rows in kv.groupby("repeat", sort=True)]
    replace_rows(path.parent / "kv.parquet", pd.concat(frames, ignore_index=True))
    if engine == "hf-continuous":
        every_block(path, lambda ids: [block - 1 + FIRST_HF_BLOCK for block in ids])
    return path


def every_block(path: Path, change) -> None:
    """Change the block ids of each row of blocks.parquet."""
    file = path.parent / "blocks.parquet"
    blocks = read_parquet(file).to_pandas()
    blocks["block_ids"] = [change(list(ids)) for ids in blocks["block_ids"]]
    replace_rows(file, blocks)


def with_stride(path: Path, every: int) -> None:
    """Leave only every so many steps in blocks.parquet, as a large pass does."""
    file = path.parent / "blocks.parquet"
    blocks = read_parquet(file).to_pandas()
    replace_rows(file, blocks[blocks["step"] % every == 0])
    write_json(path, read_json(path) | {"blocks_every": every})


def workload_of(requests: Sequence[Request], folder: Path, texts: Sequence[str | None] | None = None) -> Path:
    """The workload file of these requests."""
    texts = [f"prompt of {r.id}" for r in requests] if texts is None else texts
    rows = [
        {
            "request_id": r.id,
            "text": text,
            "prompt_token_ids": [r.token(-i - 1) for i in range(r.prompt)],
            "output_tokens": r.output,
            "arrival_s": 0.0,
        }
        for r, text in zip(requests, texts, strict=True)
    ]
    write_parquet(folder / "workload.parquet", pa.Table.from_pylist(rows, schema=WORKLOAD))
    return folder / "workload.parquet"


def _closed(kv: pd.DataFrame, repeat: int, record: dict, requests: list[Request]) -> pd.DataFrame:
    pieces, begin, number = [], 0, 0
    for batch in [b for b in record["batches"] if b["repeat"] == repeat] or [None]:
        rows = kv.iloc[begin:]
        if batch is not None:
            members = requests[number : number + batch["rows"]]
            rows = kv.iloc[begin : begin + max(r.output for r in members)].copy()
            rows["running"] = [sum(step < r.output for r in members) for step in range(len(rows))]
            number += batch["rows"]
        begin += len(rows)
        closing = rows.iloc[-1:].assign(**dict.fromkeys(ZERO, 0), t_ns=rows["t_ns"].iloc[-1] + 1_000_000)
        pieces += [rows, closing.assign(waiting=rows["waiting"].iloc[-1] if batch is not None else 0)]
    return pd.concat(pieces, ignore_index=True).assign(step=range(sum(map(len, pieces))))
