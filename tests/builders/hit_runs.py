"""A run with prefix sharing, small enough to follow by hand: blocks of 4 tokens, two requests that begin alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from builders.workloads import workload
from kvbench.analysis.results import Run, load_run
from kvbench.files import write_json, write_parquet
from kvbench.records import BLOCKS, REQUESTS

PROMPTS = ([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 5, 6, 7, 8, 20, 21], [30, 31])
OUTPUTS = (2, 2, 2)
FOUND = {1: (0, 8, 0), 2: (0, 8, 0), 3: (8, 8, 0)}  # by pass: timed, that which reads block ids, with the cache kept
PASSES = {1: "repeat-1", 2: "blocks", 3: "again"}


def write_hit_run(root: Path, engine: str = "vllm", **record: Any) -> tuple[Run, Path]:
    """Write the run and its workload; return it with the workload's path. `record` changes run.json."""
    folder, path = root / "runs" / engine, root / "workloads" / "m" / "w.parquet"
    write_parquet(path, workload(PROMPTS, OUTPUTS))
    write_parquet(folder / "requests.parquet", _table(_requests(), REQUESTS))
    write_parquet(folder / "blocks.parquet", _table(_blocks(), BLOCKS))
    write_json(folder / "run.json", _record(engine) | record)
    return load_run(folder), path


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def _requests() -> list[dict[str, Any]]:
    return [
        {
            "repeat": number,
            "request_id": str(at),
            "prompt_tokens": len(prompt),
            "output_tokens": 2,
            "output_token_ids": [50 + at, 60],
            "cached_tokens": found[at],
        }
        for number, found in FOUND.items()
        for at, prompt in enumerate(PROMPTS)
    ]


def _blocks() -> list[dict[str, Any]]:
    """All three are admitted in the first step; in the second each computes one token more."""
    tables = {"0": [1, 2, 3], "1": [1, 2, 4], "2": [5]}
    return [
        {"repeat": 2, "step": step, "request_id": name, "computed_tokens": len(PROMPTS[int(name)]) + step}
        | {"block_ids": ids, "group": 0, "prefix_hit_tokens": FOUND[2][int(name)], "ended": False}
        for step in (0, 1)
        for name, ids in tables.items()
    ]


def _record(engine: str) -> dict[str, Any]:
    repeats = [
        {
            "repeat": number,
            "phase": phase,
            "scope": "all",
            "timed": number == 1,
            "requests": 3,
            "prompt_tokens": 21,
            "output_tokens": 6,
            "wall_s": 4.0 - number,
            "cpu_s": 1.0,
            "start_ns": 0,
            "prefix_looked_up_tokens": 21,
            "prefix_found_tokens": sum(FOUND[number]),
        }
        for number, phase in PASSES.items()
    ]
    return {
        "model": "m",
        "engine": engine,
        "workload": "w",
        "point": "base",
        "device": "cpu",
        "threads": 1,
        "settings": {"given": {"prefix_sharing": True}},
        "block_size": 4,
        "blocks_every": 1,
        "repeats": repeats,
    }
