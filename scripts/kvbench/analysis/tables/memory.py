"""Memory by part: what each engine's process holds, and the rest that is not attributed to any part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run

UNATTRIBUTED = "unattributed"
RANGE = ("process_bytes_min", "process_bytes_max")
PARTS = ("runtime", "weights", "kv_pool", "activations_peak", "cuda_graphs", "libraries", "allocator_slack")
NAMES = {"kv_pool": "KV pool", "cuda_graphs": "CUDA graphs", "activations_peak": "activations at peak"}


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and part, the last being the unattributed rest.

    `bytes` is empty if the part is unknown. `process_bytes` is the peak memory of our processes while they served, from
    NVML (GPU) or the resident set size (CPU). For a run in several processes the one with the median `process_bytes`
    is shown, so that the parts add up; `process_bytes_min` and `_max` cover all processes.
    """
    frame = pd.DataFrame([row for run in runs for row in _rows(run)])
    return frame.astype({"bytes": "Int64", "process_bytes": "Int64", **dict.fromkeys(RANGE, "Int64")})


def _rows(run: Run) -> list[dict[str, Any]]:
    memory = _in_the_middle([one.record["memory"] for one in run.processes])
    total = memory["process_bytes"]
    totals = [t for one in run.processes if (t := one.record["memory"]["process_bytes"]) is not None] or [None]
    parts = {name: memory["parts"][name] for name in sorted(memory["parts"], key=part_key)}
    parts[UNATTRIBUTED] = memory["unattributed_bytes"]
    common = {
        **run.names,
        "device": run.record["device"],
        "process_bytes_from": memory["process_source"],
        "process_bytes": total,
        **dict(zip(RANGE, (min(totals), max(totals)), strict=True)),
        "n_processes": len(run.processes),
    }
    return [
        {**common, "part": part, "bytes": size, "share_of_process": _share(size, total)} for part, size in parts.items()
    ]


def _in_the_middle(memories: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The memory record with the median total (the lower one of two); the first one if totals are unknown."""
    known = sorted((m for m in memories if m["process_bytes"] is not None), key=lambda m: m["process_bytes"])
    return known[(len(known) - 1) // 2] if known else memories[0]


def part_key(part: str) -> tuple[int, str]:
    """Sort key of a part: the order of PARTS, then unknown parts by name."""
    return (PARTS.index(part) if part in PARTS else len(PARTS), part)


def part_name(part: str) -> str:
    """A part's name as shown to readers."""
    return NAMES.get(part, part.replace("_", " "))


def _share(size: int | None, total: int | None) -> float | None:
    return None if size is None or not total else size / total
