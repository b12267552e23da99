"""Memory by part: what each engine's process holds, and the rest that no part accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from kvbench.results import Run

UNATTRIBUTED = "unattributed"


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run and part, the last being the unattributed rest.

    `bytes` is empty where the part is not known here. `process_bytes` is what NVML (a GPU) or the resident set size
    (a CPU) says for our processes when the parts were taken.
    """
    frame = pd.DataFrame([row for run in runs for row in _rows(run)])
    return frame.astype({"bytes": "Int64", "process_bytes": "Int64"})


def _rows(run: Run) -> list[dict[str, Any]]:
    memory = run.record["memory"]
    total = memory["process_bytes"]
    parts = {**memory["parts"], UNATTRIBUTED: memory["unattributed_bytes"]}
    common = {
        **run.names,
        "device": run.record["device"],
        "process_bytes_from": "resident set size" if run.record["device"] == "cpu" else "NVML",
        "process_bytes": total,
    }
    return [
        {**common, "part": part, "bytes": size, "share_of_process": _share(size, total)} for part, size in parts.items()
    ]


def _share(size: int | None, total: int | None) -> float | None:
    return None if size is None or not total else size / total
