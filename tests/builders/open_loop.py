"""A run with arrivals of the tiny model, as files: what `benchmarks/peer_serve.py` reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from builders.orders import order_settings
from builders.tiny import BLOCK, HEAD_DIM, HEADS, KV_HEADS, LAYERS, MAX_LENGTH, VOCABULARY, tiny_requests
from builders.workloads import workload
from kvbench.files import write_json, write_parquet
from kvbench.kv.groups import FULL, LayerGroup
from kvbench.records import REQUESTS
from kvbench.workload.arrivals import due_s

ARCHITECTURE = {
    "layers": LAYERS,
    "attention_heads": HEADS,
    "kv_heads": KV_HEADS,
    "head_dim": HEAD_DIM,
    "hidden_size": HEADS * HEAD_DIM,
    "vocab_size": VOCABULARY,
    "parameters": 10**6,
    "max_position_embeddings": MAX_LENGTH,
}
GROUP = LayerGroup(FULL, LAYERS, 2 * KV_HEADS * HEAD_DIM)
RATE, TTFT_S, TPOT_S = 8.0, 0.020, 0.004


def served(lengths: list[tuple[int, int]], repeats: int, **changes: Any) -> list[dict[str, Any]]:
    """Rows of requests.parquet, repeat 0 included: each request has its first token TTFT_S after due."""
    rows = []
    for repeat in range(repeats + 1):
        due = due_s(len(lengths), RATE, 0, repeat)
        for place, (prompt, output) in enumerate(lengths):
            first = due[place] + TTFT_S
            row = {"repeat": repeat, "request_id": str(place), "prompt_tokens": prompt, "output_tokens": output}
            row |= {"due_s": due[place], "submitted_s": due[place] + 0.001, "first_token_s": first}
            rows.append(row | {"finish_s": first + (output - 1) * TPOT_S} | changes)
    return rows


def write_open_loop(root: Path, model: Path, lengths: list[tuple[int, int]], repeats: int = 2) -> dict[str, Path]:
    """Write all files under `root`; returns them by the names of the program's options."""
    names = ("environment.json", "model.json", "workload.parquet", "run.json")
    files = {name.partition(".")[0]: root / name for name in names}
    own = {"name": "tiny", "source": "shape", "path": str(model), "tokenizer": False, "dtype": "float32"}
    write_json(files["model"], own | {"architecture": ARCHITECTURE})
    write_json(files["environment"], {"device": "cpu"})
    prompts = [one.prompt_token_ids for one in tiny_requests(lengths)]
    write_parquet(files["workload"], workload(prompts, [output for _, output in lengths]))
    write_parquet(root / "requests.parquet", pa.Table.from_pylist(served(lengths, repeats), schema=REQUESTS))
    given = order_settings(max_length=MAX_LENGTH, block_size=BLOCK, kv_budget_mib=1, requests_per_s=RATE, cpu_threads=2)
    timed = [{"repeat": number, "timed": number > 0, "scope": "all"} for number in range(repeats + 1)]
    in_force = {"max_num_seqs": 64, "max_num_batched_tokens": 2048, "async_scheduling": False}
    record = {"settings": {"given": given, "in_force": in_force}, "groups": [asdict(GROUP)], "repeats": timed}
    write_json(files["run"], record)
    return files
