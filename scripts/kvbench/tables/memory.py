"""Memory by part: what each engine's process holds, and the rest that no part accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.results import Run

UNATTRIBUTED = "unattributed"
PARTS = ("runtime", "weights", "kv_pool", "activations_peak", "cuda_graphs", "allocator_slack")
NAMES = {"kv_pool": "KV pool", "cuda_graphs": "CUDA graphs", "activations_peak": "activations at peak"}


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and part, the last being the unattributed rest.

    `bytes` is empty where the part is not known here. `process_bytes` is what NVML (a GPU) or the resident set size
    (a CPU) says for our processes at its peak while they served.
    """
    frame = pd.DataFrame([row for run in runs for row in _rows(run)])
    return frame.astype({"bytes": "Int64", "process_bytes": "Int64"})


def _rows(run: Run) -> list[dict[str, Any]]:
    memory = run.record["memory"]
    total = memory["process_bytes"]
    parts = {name: memory["parts"][name] for name in sorted(memory["parts"], key=part_key)}
    parts[UNATTRIBUTED] = memory["unattributed_bytes"]
    common = {
        **run.names,
        "device": run.record["device"],
        "process_bytes_from": memory["process_source"],
        "process_bytes": total,
    }
    return [
        {**common, "part": part, "bytes": size, "share_of_process": _share(size, total)} for part, size in parts.items()
    ]


def part_key(part: str) -> tuple[int, str]:
    """Sort key of a part's name; unknown parts come last, by name."""
    return (PARTS.index(part) if part in PARTS else len(PARTS), part)


def part_name(part: str) -> str:
    """A part's name as a reader sees it."""
    return NAMES.get(part, part.replace("_", " "))


def _share(size: int | None, total: int | None) -> float | None:
    return None if size is None or not total else size / total
