"""One run's requests over time: how many ran and how many waited in each step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kvbench.analysis.results import Run
from kvbench.figures.data.steps import steps_of


@dataclass(frozen=True)
class RunningTrace:
    """Requests in each step of the first timed repeat of a run's first process, in seconds from the repeat's start."""

    label: str
    engine: str
    repeat: int
    t_s: np.ndarray
    running: np.ndarray
    waiting: np.ndarray


def running_trace(run: Run) -> RunningTrace:
    """Read kv.parquet; long series are thinned, keeping every peak. The run has a timed repeat."""
    run = run.processes[0]
    repeat = (run.timed("all") or run.timed())[0]
    steps = steps_of(run, ["t_ns", "running", "waiting"], repeat["repeat"], peaks="running")
    t_s = (steps["t_ns"] - repeat["start_ns"]) / 1e9
    return RunningTrace(run.label, run.engine, repeat["repeat"], t_s, steps["running"], steps["waiting"])
