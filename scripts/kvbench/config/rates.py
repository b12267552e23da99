"""Runs whose requests arrive over time, and the further rates at which an engine's capacity is looked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kvbench.config.runs import RunName, arrives, entry_of, plan, run_list, runs_of_pair
from kvbench.workload.rates import RATE, rate_of, rate_point


def rate_runs(config: dict, model: str, workload: str) -> list[RunName]:
    """The runs of a model and workload at the rates that the configuration names, or at a file's times."""
    return [run for run in runs_of_pair(config, model, workload) if arrives(run)]


def rate_pairs(config: dict) -> list[tuple[str, str]]:
    """The models and workloads of runs with arrivals, each pair once."""
    return sorted({(run.model, run.workload) for run in run_list(config) if arrives(run)})


def swept_pairs(config: dict) -> list[tuple[str, str]]:
    """The models and workloads whose rates are swept, so that engines' capacities are looked for."""
    return sorted({(run.model, run.workload) for entry, run, _ in plan(config) if _sweeps(config, entry)})


def swept_engines(config: dict, model: str, workload: str) -> list[str]:
    """The engines whose rates are swept on a model and workload."""
    found = (run for entry, run, _ in plan(config) if _sweeps(config, entry))
    return list(dict.fromkeys(run.engine for run in found if (run.model, run.workload) == (model, workload)))


def further_run(config: dict, name: RunName) -> tuple[int, dict] | None:
    """The entry of `runs` and the settings of a run at a rate between those of a sweep; None if no entry allows it."""
    per_s = rate_of(name.point)
    if per_s is None:
        return None
    wanted = (name.model, name.workload, name.engine)
    for entry, run, own in plan(config):
        if (run.model, run.workload, run.engine) == wanted and _sweeps(config, entry):
            return entry, {**own, RATE: per_s}
    return None


def further_runs(config: dict, model: str, workload: str, chosen: Mapping[str, float]) -> list[RunName]:
    """The runs of engines at the rates `chosen` for each, one for each process, without those that are planned."""
    names = (RunName(model, engine, workload, rate_point(per_s)) for engine, per_s in sorted(chosen.items()))
    return [one for name in names for one in _processes(config, name) if entry_of(config, one) is None]


def _processes(config: dict, name: RunName) -> Iterable[RunName]:
    entry, _ = further_run(config, name)
    number = config["runs"][entry].get("processes", config["processes"])
    return (replace(name, process=1 + process) for process in range(number))


def _sweeps(config: dict, entry: int) -> bool:
    return RATE in config["runs"][entry].get("sweep", {})
