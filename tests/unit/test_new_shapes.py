"""Steps on shapes that a process meets for the first time, and on others."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kvbench.errors import UserError

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks/new_shapes.py"
spec = importlib.util.spec_from_file_location("new_shapes", PROGRAM)
new_shapes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(new_shapes)

MS = 10**6


def write(folder: Path, batches: list[tuple[int, list[int]]], slow_ms: int, fast_ms: int) -> Path:
    """A run whose steps take `slow_ms` at a (rows, width) not met before, else `fast_ms`; widths by batch."""
    record, kv, now, met = [], [], 0, set()
    for number, (rows, widths) in enumerate(batches):
        begin = now = now + 1000 * MS
        for step, width in enumerate(widths):
            now += (fast_ms if (rows, width) in met else slow_ms) * MS if step else 0
            met |= {(rows, width)} if step else set()
            kv.append({"t_ns": now, "scheduled_tokens": rows, "allocated": rows * width})
        record.append({"batch": number, "repeat": 0, "rows": rows, "start_ns": begin, "end_ns": now})
    (folder / "run.json").write_text(json.dumps({"engine": "hf-batch", "batches": record}))
    pq.write_table(pa.Table.from_pylist(kv), folder / "kv.parquet")
    return folder


def test_a_shape_is_rows_and_width_and_new_once(tmp_path: Path) -> None:
    batches = [(2, [5, 6, 7]), (2, [6, 7, 8]), (3, [6, 7]), (2, [5, 6, 7, 8])]
    found = new_shapes.summary(write(tmp_path, batches, slow_ms=70, fast_ms=10))
    assert found == {
        "steps_on_new_shapes": 4,  # (2, 6), (2, 7), (2, 8), (3, 7)
        "ms_on_new_shapes": 70.0,
        "steps_on_known_shapes": 4,
        "ms_on_known_shapes": 10.0,
    }


def test_a_run_without_batches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"engine": "vllm", "batches": []}))
    with pytest.raises(UserError, match="vllm serves no padded batches"):
        new_shapes.summary(tmp_path)
