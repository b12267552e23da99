"""What a decode step's time depends on: the number of running requests, and whether its shape is new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from builders.runs import write_runs

from kvbench.analysis.results import load_runs
from kvbench.analysis.tables.roofline import decode_steps

MS = 10**6


@pytest.fixture
def step_times(program: Callable[[str], ModuleType]) -> ModuleType:
    return program("step_times")


def served(batches: list[tuple[int, list[int]]], slow_ms: int, fast_ms: int) -> tuple[dict, pd.DataFrame]:
    """Return a record and its steps: `slow_ms` at a new (rows, width), else `fast_ms`; batches are (rows, widths)."""
    record, kv, now, met = [], [], 0, set()
    for rows, widths in batches:
        begin = now = now + 1000 * MS
        for step, width in enumerate(widths):
            now += (fast_ms if (rows, width) in met else slow_ms) * MS if step else 0
            met |= {(rows, width)} if step else set()
            kv.append({"t_ns": now, "allocated": rows * width})
        record.append({"rows": rows, "start_ns": begin, "end_ns": now})
    return {"batches": record}, pd.DataFrame(kv)


def test_a_shape_is_rows_and_width_and_new_once(step_times: ModuleType) -> None:
    batches = [(2, [5, 6, 7]), (2, [6, 7, 8]), (3, [6, 7]), (2, [5, 6, 7, 8])]
    found = list(step_times.by_shape(*served(batches, slow_ms=70, fast_ms=10)))
    assert [ms for new, ms in found if new] == [70.0] * 4  # new shapes: (2, 6), (2, 7), (2, 8), (3, 7)
    assert [ms for new, ms in found if not new] == [10.0] * 4


def test_steps_of_a_run_by_requests_running(step_times: ModuleType, tmp_path: Path) -> None:
    for run in load_runs(write_runs(tmp_path)):
        found = step_times.summary(run.folder)
        kv = run.frame("kv")
        steps = decode_steps(kv[kv["repeat"].isin(run.timed_numbers())], run.schedules_ahead)
        assert set(found["ms_by_running"]) == set(steps["running"])
        for running, ms in found["ms_by_running"].items():
            alike = steps.loc[steps["running"] == running, "seconds"]
            assert ms == pytest.approx(1e3 * np.median(alike), abs=0.005)
        assert ("ms_on_new_shapes" in found) == bool(run.record.get("batches"))
