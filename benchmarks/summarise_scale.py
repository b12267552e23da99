"""Summarise a kv.parquet of 10 million rows in a separate process; print seconds and peak resident memory.

python benchmarks/summarise_scale.py [rows]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from kvbench.files import write_json  # noqa: E402
from kvbench.records import KV, SPLIT, UPKEEP  # noqa: E402

REPEATS = 6
CHUNK = 1 << 20

SUMMARISE = """
import resource, sys, time
begin = time.monotonic()
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import kv_waste
row = kv_waste.table(load_runs(sys.argv[1:])).iloc[0]
print(f"{row.steps:,} rows, live {row.live_share_of_allocated:.1%} of allocated")
print(f"{time.monotonic() - begin:.1f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB peak")
"""


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        write_run(Path(folder), rows)
        print(
            f"made {rows:,} rows, {(Path(folder) / 'kv.parquet').stat().st_size / 2**20:.0f} MiB, "
            f"in {time.monotonic() - begin:.1f} s",
            flush=True,
        )
        command = [sys.executable, "-c", SUMMARISE, str(Path(folder) / "run.json")]
        subprocess.run(command, check=True, env={"PYTHONPATH": str(SCRIPTS)})
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{children.ru_utime + children.ru_stime:.1f} s of CPU time")


def write_run(folder: Path, rows: int) -> None:
    """A run.json and a kv.parquet of `rows` rows whose split adds up."""
    repeats = [{"repeat": n, "phase": f"repeat-{n}", "scope": "all", "timed": n > 0} for n in range(REPEATS + 1)]
    names = dict(
        zip(("model", "engine", "workload", "point", "device"), ("m", "vllm", "w", "base", "cpu"), strict=True)
    )
    memory = {"parts": {}, "process_bytes": None, "unattributed_bytes": None}
    write_json(folder / "run.json", names | {"settings": {}, "slot_bytes": 46080, "repeats": repeats, "memory": memory})
    rng = np.random.default_rng(0)
    with pq.ParquetWriter(folder / "kv.parquet", KV, compression="zstd") as writer:
        for begin in range(0, rows, CHUNK):
            writer.write_table(chunk(rng, begin, min(CHUNK, rows - begin), rows))


def chunk(rng: np.random.Generator, begin: int, count: int, rows: int) -> pa.Table:
    """`count` rows from row `begin`; repeats follow one another, and the first is the warm-up."""
    index = np.arange(begin, begin + count)
    repeat = index * (REPEATS + 1) // rows
    parts = {name: rng.integers(0, 20_000, count) for name in SPLIT}
    allocated = sum(parts.values())
    small = {name: rng.integers(0, 256, count) for name in ("running", "waiting", "scheduled_tokens")}
    phases = pa.DictionaryArray.from_arrays(pa.array(repeat, pa.int8()), [f"repeat-{n}" for n in range(REPEATS + 1)])
    columns = {
        "t_ns": index * 5_000_000 + rng.integers(0, 1_000_000, count),
        "repeat": repeat,
        "phase": phases,
        "step": index % (rows // REPEATS),
        **small,
        "preemptions": np.zeros(count),
        "prefix_hit_tokens": np.zeros(count),
        "pool": np.full(count, 100_000),
        "unshared": allocated,
        "allocated": allocated,
        **parts,
        **{name: pa.nulls(count, pa.int64()) for name in UPKEEP},
    }
    arrays = [c if isinstance(c, pa.Array) else pa.array(c).cast(KV.field(n).type) for n, c in columns.items()]
    return pa.table(arrays, schema=KV)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
