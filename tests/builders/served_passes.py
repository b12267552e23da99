"""The files of a single pass, as a run leaves them, from what an engine or a schedule of our own recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kvbench.blockmap.document import make
from kvbench.engines.names import is_paged
from kvbench.files import write_json, write_parquet
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.run_files import block_table
from kvbench.records import KV, WORKLOAD
from kvbench.workload.read import Request


def map_of_pass(folder: Path, engine: str, generated: Any, requests: Sequence[Request], **sizes: Any) -> dict[str, Any]:
    """The map of the pass. `sizes`: static_length, shared, slot_bytes, block_size, blocks, budget_bytes, groups."""
    record = write_pass(folder, engine, generated, requests, **sizes)
    return map_of_records([record], requests)


def write_pass(folder: Path, engine: str, generated: Any, requests: Sequence[Request], **sizes: Any) -> Path:
    """The files of the pass; their run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {name: sizes.get(name) for name in ("static_length", "shared")}
    columns, _ = kv_rows(generated, requests, slot_bytes=sizes["slot_bytes"], **chosen)
    phase = "blocks" if is_paged(engine) else "repeat-1"
    rows = len(columns["t_ns"])
    kv = {**columns, "repeat": np.full(rows, 1), "phase": [phase] * rows}
    lists = {f.name: pa.array(kv[f.name], f.type) for f in KV if pa.types.is_list(f.type) and f.name in kv}
    write_parquet(
        folder / "kv.parquet", pa.table({f.name: (kv | lists).get(f.name, [None] * rows) for f in KV}).cast(KV)
    )
    if generated.schedule is not None:
        write_parquet(folder / "blocks.parquet", block_table(1, requests, generated.schedule))
    write_json(folder / "run.json", _record(engine, generated, requests, phase, sizes))
    return folder / "run.json"


def map_of_records(records: Sequence[Path], requests: Sequence[Request]) -> dict[str, Any]:
    """The map of passes over the same requests."""
    folder = records[0].parent
    rows = [{**asdict(r), "prompt_token_ids": list(r.prompt_token_ids)} for r in requests]
    write_parquet(folder / "workload.parquet", pa.Table.from_pylist(rows, schema=WORKLOAD))
    return make("m", "w", records, folder / "workload.parquet", folder / "model.json")


def _record(engine: str, generated: Any, requests: Sequence[Request], phase: str, sizes: dict[str, Any]) -> dict:
    timed = phase != "blocks"
    repeat = {"repeat": 1, "phase": phase, "timed": timed, "start_ns": 0, "requests": len(requests)}
    return {
        "engine": engine,
        "repeats": [repeat],
        "batches": [{"repeat": 1, "rows": len(batch.request_ids)} for batch in generated.batches],
        "slot_bytes": sizes["slot_bytes"],
        **({"groups": [asdict(group) for group in sizes["groups"]]} if "groups" in sizes else {}),
        "block_size": sizes.get("block_size"),
        "blocks_every": 1,
        "capacity": {"blocks": sizes.get("blocks"), "budget_bytes": sizes.get("budget_bytes")},
    }
