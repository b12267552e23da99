"""Write seeded synthetic runs that follow the file contracts."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from builders.run_recording import Recording
from builders.simulated_requests import Request, make_requests
from kvbench.files import write_json, write_parquet
from kvbench.records import BLOCKS, DEVICE, KV, REQUESTS

ENGINES = ("hf-sequential", "hf-batch", "hf-static", "vllm-sequential", "vllm")
ALL_ENGINES = (
    *(*ENGINES, "hf-static-compiled", "hf-continuous", "vllm-contiguous", "vllm-eager"),
    *("vllm-reserved", "vllm-reserved-power-of-two", "vllm-reserved-oracle"),
)


def write_run(
    root: Path,
    engine: str,
    workload: str = "mixed",
    *,
    model: str = "smollm2-135m",
    point: str = "base",
    requests: list[Request] | None = None,
    sequential: int = 4,
    repeats: int = 6,
    slots: int = 1088,
    device: str = "cpu",
    temperature: float = 0.0,
    dtype: str = "float32",
    flips: dict[tuple[str, int], int] | None = None,
    seed: int = 0,
    process: int = 1,
    slower: float = 1.0,
) -> Path:
    """Write one run's files under `root` and return the path of its run.json.

    `flips` maps (request id, position) to another token id; the outputs differ from that position on. `slower`
    multiplies all times of this process.
    """
    requests = make_requests(16) if requests is None else requests
    place = point if process == 1 else f"{point}.process-{process}"
    folder = root / model / engine / workload / place
    rng = np.random.default_rng([seed, zlib.crc32(f"{engine}/{workload}/{place}".encode())])
    recording = Recording(engine, requests, sequential, repeats, slots, device, flips or {}, rng, slower)
    recording.play()
    write_parquet(folder / "kv.parquet", _arrow(recording.kv, KV))
    write_parquet(folder / "requests.parquet", _arrow(recording.rows, REQUESTS))
    write_parquet(folder / "device.parquet", _arrow(recording.device_rows(), DEVICE))
    write_parquet(folder / "blocks.parquet", _arrow(recording.blocks, BLOCKS))
    write_json(folder / "run.json", recording.record(model, workload, point, dtype, temperature) | {"process": process})
    return folder / "run.json"


def write_runs(root: Path, engines=ENGINES, **given) -> list[Path]:
    return [write_run(root, engine, **given) for engine in engines]


def write_margins(run_json: Path, requests: list[Request], near: dict[tuple[str, int], float]) -> None:
    """Write margins.parquet next to the reference's run.json: every margin is 1.0 except those in `near`."""
    keys = [(r.id, i) for r in requests for i in range(r.output)]
    columns = {
        "request_id": [k[0] for k in keys],
        "position": pa.array([k[1] for k in keys], pa.int32()),
        "top1_minus_top2": [near.get(k, 1.0) for k in keys],
    }
    write_parquet(run_json.parent / "margins.parquet", pa.table(columns))


def _arrow(rows: list[dict], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
