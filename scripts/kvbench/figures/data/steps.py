"""Steps of a run, thinned to as many as a figure can show."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from kvbench.analysis.results import Run
from kvbench.files import read_batches

MAX_POINTS = 600


def steps_of(run: Run, columns: list[str], repeat: int | None = None, *, peaks: str = "pool") -> dict[str, np.ndarray]:
    """Columns of kv.parquet, of one repeat or of all, thinned to MAX_POINTS, with the peaks of one of the columns."""
    parts: list[dict[str, np.ndarray]] = []
    for batch in read_batches(run.folder / "kv.parquet", [*columns, "repeat"]):
        rows = batch if repeat is None else batch.filter(pc.equal(batch["repeat"], repeat))
        if rows.num_rows:
            parts.append({name: rows[name].to_numpy() for name in columns})
    whole = {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in columns}
    kept = thin(whole[peaks])
    return {name: values[kept] for name, values in whole.items()}


def thin(values: np.ndarray, points: int = MAX_POINTS) -> np.ndarray:
    """About `points` indices or fewer: the first and the largest value of each of equal stretches, and the last."""
    if len(values) <= points:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), points // 2 + 1).astype(int)[:-1]
    ends = np.append(edges[1:], len(values))
    peaks = [begin + int(np.argmax(values[begin:end])) for begin, end in zip(edges, ends, strict=True)]
    return np.unique([*edges, *peaks, len(values) - 1])
