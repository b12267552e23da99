"""Replays a sweep: each of its points exactly, and a finer grid of the swept key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from kvbench.analysis.results import Run
from kvbench.records import REPLAYED
from kvbench.replay.inputs import ONE_GROUP, Settings, Trace, reservation
from kvbench.replay.live_run import ENGINES, settings_of, windows_of
from kvbench.replay.result import Totals
from kvbench.replay.simulate import replay

log = logging.getLogger(__name__)

GRID_POOLS = 33


@dataclass(frozen=True)
class Setting:
    """One replay to run: a live point, or a setting of the grid, whose `point` is None."""

    run: Run
    point: str | None
    settings: Settings

    @property
    def names(self) -> dict[str, str | None]:
        """The first columns of the row of this replay."""
        return {**self.run.names, "point": self.point}


def plan(runs: Sequence[Run], sweep: str) -> list[Setting]:
    """The replays for a sweep of the key `sweep` (block_size or kv_budget_mib) on one model and workload.

    For each engine that can be replayed (`live.ENGINES`): its points as they were run, then the grid.
    """
    found = []
    for engine in ENGINES:
        points = [run for run in runs if run.engine == engine]
        if points and windows_of(points[0]) != ONE_GROUP:
            log.warning("%s: a model with several KV groups or a window; no replay of its sweep", points[0].folder)
            continue
        found += [Setting(run, run.point, settings_of(run)) for run in points]
        if points and _alike(points, sweep):
            grid = _block_sizes(points) if sweep == "block_size" else _pools(points)
            found += [Setting(points[0], None, own) for own in grid]
    return found


def table(replays: Sequence[Setting], workload: pa.Table, progress: Callable[[int], Any] | None = None) -> pd.DataFrame:
    """REPLAYED, one row per replay of `plan`; a grid setting whose pool cannot hold the longest request has no row.

    Sums are over all steps: `block_steps` counts blocks in use, `live_slot_steps` slots that hold a token.
    `recomputed_tokens` is empty if requests that share blocks were preempted, since their cache hits are not known.
    """
    sharing = {one.settings.prefix_sharing for one in replays}
    traces = {shared: Trace.from_table(workload, prefix_sharing=shared) for shared in sharing}
    rows = []
    for one in replays:
        own = one.settings
        trace = traces[own.prefix_sharing]
        if one.point or reservation(trace, own).max() <= own.pool_blocks * own.block_size:
            rows.append({**one.names, **_facts(trace, own)})
        if progress:
            progress(1)
    return pd.DataFrame(rows, columns=list(REPLAYED)).astype({"recomputed_tokens": "Int64"})


def _alike(points: Sequence[Run], sweep: str) -> bool:
    """Whether the points differ only in the swept key, so that a grid between them is meaningful."""
    own = {_without(run, sweep) for run in points}
    if len(own) > 1:
        log.warning(
            "%s: the points of %s differ in other settings too; no replay between them", points[0].folder, sweep
        )
    return len(own) == 1


def _without(run: Run, sweep: str) -> tuple[Settings, int]:
    """A run's settings without those that the sweep sets."""
    if sweep == "block_size":
        return settings_of(run, 1, 1), run.record["capacity"]["budget_bytes"]
    return settings_of(run, blocks=1), 0


def _block_sizes(points: Sequence[Run]) -> list[Settings]:
    """Block sizes of the grid: powers of two from 1 to the largest swept size, with the same budget."""
    slots = points[0].record["capacity"]["budget_bytes"] // points[0].record["slot_bytes"]
    largest = max(run.record["block_size"] for run in points)
    return [settings_of(points[0], size, slots // size) for size in (1 << n for n in range(largest.bit_length()))]


def _pools(points: Sequence[Run]) -> list[Settings]:
    """Pools of the grid in whole blocks, from the smallest to the largest swept pool, at equal ratios."""
    blocks = [run.record["capacity"]["blocks"] for run in points]
    grid = np.unique(np.rint(np.geomspace(min(blocks), max(blocks), GRID_POOLS)).astype(int))
    return [settings_of(points[0], blocks=int(count)) for count in grid]


def _facts(trace: Trace, own: Settings) -> dict[str, Any]:
    totals = replay(trace, own).totals
    again = _recomputed(trace, own, totals)
    return {
        "block_size": own.block_size,
        "pool_slots": own.pool_blocks * own.block_size,
        "steps": totals.steps,
        "block_steps": totals.allocated // own.block_size,
        "live_slot_steps": totals.live,
        "computed_tokens": totals.scheduled_tokens,
        "recomputed_tokens": again,
        "preemptions": totals.preemptions,
        "live_share_of_allocated": totals.utilisation,
        "preemptions_per_request": totals.preemptions / len(trace),
        "recomputed_share_of_computed": None if again is None else again / totals.scheduled_tokens,
    }


def _recomputed(trace: Trace, own: Settings, totals: Totals) -> int | None:
    """Computed tokens beyond the p + o − 1 that each request needs; 0 without preemptions."""
    if not totals.preemptions:
        return 0
    return None if own.prefix_sharing else totals.scheduled_tokens - int(trace.final_tokens.sum())
