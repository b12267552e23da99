"""The points of sweeps, including the base run where it belongs to the sweep."""

from __future__ import annotations

from collections.abc import Sequence

from kvbench.config.parameters import run_settings
from kvbench.config.runs import BASE, RunName, runs_of_pair
from kvbench.engines.names import SEQUENTIAL, is_paged


def swept_runs(config: dict, model: str, workload: str, key: str) -> list[RunName]:
    """Points of a sweep of `key`, of the paged engines that serve all requests and have two or more points.

    An engine's base run is included if it differs from the points only in `key`.
    """
    runs = runs_of_pair(config, model, workload)
    points = paged_points(runs, key)
    last = {run.engine: run for run in points}
    rest = {engine: _settings_beside(config, run, key) for engine, run in last.items()}
    bases = [run for run in runs if run.point == BASE and run.engine in rest]
    return points + [run for run in bases if _settings_beside(config, run, key) == rest[run.engine]]


def paged_points(runs: Sequence[RunName], key: str) -> list[RunName]:
    """Points of a sweep of `key` on one model and workload, of the paged engines that serve all requests."""
    wanted = {e for e in {run.engine for run in runs} if is_paged(e) and e not in SEQUENTIAL and is_swept(runs, e, key)}
    return [run for run in runs if run.engine in wanted and run.point.startswith(f"{key}-")]


def is_swept(runs: Sequence[RunName], engine: str, key: str) -> bool:
    """Whether an engine has two or more points of a sweep of `key`."""
    return len({run.point for run in runs if run.engine == engine and run.point.startswith(f"{key}-")}) > 1


def _settings_beside(config: dict, run: RunName, key: str) -> dict:
    """The settings that a point shares with others that differ only in `key`."""
    settings = run_settings(config, run.model, run.engine, run.workload, run.place)
    return {name: value for name, value in settings.items() if name not in (key, "point", "process", "repeats")}
