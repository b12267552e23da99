"""Blocks over time with and without prefix sharing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvbench.analysis.results import Run
from kvbench.analysis.tables.sharing import POINTS
from kvbench.figures.data.steps import steps_of


@dataclass(frozen=True)
class BlockTrace:
    """Blocks in each step of a run's first timed repeat; `unshared` are those that its requests would hold alone."""

    engine: str
    requests: int
    pool: int
    t_s: np.ndarray
    in_use: np.ndarray
    unshared: np.ndarray


def block_traces(runs: Sequence[Run], engines: Sequence[str]) -> list[tuple[BlockTrace, BlockTrace]]:
    """Traces with and without sharing of each engine; UserError if one of the two was not run."""
    found = {(run.engine, run.point): run for run in runs}
    return [
        (_blocks(found[engine, POINTS["shared"]]), _blocks(found[engine, POINTS["unshared"]])) for engine in engines
    ]


def _blocks(run: Run) -> BlockTrace:
    repeat = (run.timed("all") or run.timed())[0]
    steps = steps_of(run, ["t_ns", "pool", "allocated", "unshared"], repeat["repeat"])
    size = run.record["block_size"]
    return BlockTrace(
        run.engine,
        repeat["requests"],
        run.record["capacity"]["blocks"],
        (steps["t_ns"] - repeat["start_ns"]) / 1e9,
        steps["allocated"] / size,
        steps["unshared"] / size,
    )
