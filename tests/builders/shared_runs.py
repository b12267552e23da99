"""A run of two requests that share blocks, small enough to follow by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from builders.mapped_runs import workload_of
from builders.requests import requests_of
from builders.schedules import schedule_of
from builders.simulated_requests import Request
from kvbench.blockmap.document import make
from kvbench.files import write_json, write_parquet
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.run_files import block_table
from kvbench.records import KV

REPEAT = {"repeat": 1, "phase": "blocks", "timed": False, "start_ns": 0, "requests": 2}


def run_of(folder: Path, lengths: list[tuple[int, int]], **changes) -> Path:
    """A run of two requests with 70 tokens, of which the second finds 64 in the cache (`schedule_of`)."""
    steps = [0, 0, 1, 1, 2, 2]
    tables = [[1, 2, 3], [1, 2, 4]] * 3
    given = {
        "block_step": steps,
        "block_request": [0, 1] * 3,
        "block_tokens": [70, 70, 71, 71, *changes.pop("last", (71, 71))],
        "block_length": [3] * 6,
        "block_ids": np.concatenate(tables),
        "free_blocks": [5, 5, 5],
        **changes,
    }
    requests = requests_of([(tuple(range(p)), o) for p, o in lengths])
    schedule = schedule_of(**given)
    columns, _ = kv_rows(SimpleNamespace(schedule=schedule), requests, slot_bytes=1, static_width=None, shared=True)
    rows = len(columns["t_ns"])
    kv = {**columns, "repeat": np.full(rows, 1), "phase": ["blocks"] * rows}
    write_parquet(folder / "kv.parquet", pa.table({f.name: kv.get(f.name, [None] * rows) for f in KV}).cast(KV))
    write_parquet(folder / "blocks.parquet", block_table(1, requests, schedule))
    record = {
        "engine": "vllm",
        "repeats": [REPEAT],
        "slot_bytes": 1,
        "block_size": 32,
        "blocks_every": 1,
        "capacity": {"blocks": 9},
    }
    write_json(folder / "run.json", record)
    names = [Request(r.request_id, *lengths[i]) for i, r in enumerate(requests)]
    return workload_of(names, folder)


def shared_document(folder: Path, lengths: list[tuple[int, int]], **changes) -> dict:
    """The map of such a run."""
    workload = run_of(folder, lengths, **changes)
    return make("m", "w", [folder / "run.json"], workload, folder / "model.json")


def goes_on(request: int) -> dict:
    """Step 2 schedules one token of one request, which is its last; the other has ended in step 1."""
    return {
        "scheduled_tokens": [76, 2, 1],
        "dump_length": [2, -1, 1],
        "dump_request": [0, 1, request],
        "dump_tokens": [70, 6, 1],
        "last": (72, 71) if request == 0 else (71, 72),
    }
