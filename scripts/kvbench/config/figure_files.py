"""Which figures a configuration asks for, what each one reads, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kvbench.config.paths import (
    TABLES_OF_RUNS,
    at_rates,
    data_files,
    fleet_files,
    hit_rate_files,
    of_project,
    pairs_of,
    predicted_capacity_file,
    predicted_capacity_files,
    predicted_file,
    predicted_files,
    prices_paging,
    record_files,
    replay_data,
    sweep_file,
    table_file,
    workload_file,
)
from kvbench.config.runs import BASE, RunName, arrives
from kvbench.config.settings import uses_cuda
from kvbench.config.sweeps import is_swept, paged_points
from kvbench.engines.names import REFERENCE
from kvbench.figures.registry import (
    A_BASE,
    A_RATE,
    AT_ONCE,
    FIGURES,
    OF_KERNEL,
    OF_PLAN,
    OF_REPLAY,
    OF_WORKLOAD,
    THE_REFERENCE,
    Entry,
)

CAPACITY_FIGURES = tuple(entry.name for entry in FIGURES if entry.of == OF_PLAN)


def figures_of(runs: Sequence[RunName]) -> list[str]:
    """Names of the figures of one model and workload: those for which its runs have data."""
    return [entry.name for entry in FIGURES if entry.of == OF_WORKLOAD and _has_something(entry, runs)]


def _has_something(entry: Entry, runs: Sequence[RunName]) -> bool:
    engines = {run.engine for run in runs}
    if entry.replays:
        return bool(paged_points(runs, entry.sweep))
    if entry.sweep:
        return any(is_swept(runs, engine, entry.sweep) for engine in engines)
    if entry.needs == A_RATE:
        return bool(at_rates(runs))
    if entry.needs == AT_ONCE:
        return not all(map(arrives, runs))
    if entry.needs == A_BASE:
        return BASE in {run.point for run in runs}
    return entry.needs != THE_REFERENCE or (REFERENCE in engines and len(engines) > 1)


def figure_inputs(entry: Entry, runs: Sequence[RunName], names: Mapping[str, str]) -> dict[str, Any]:
    """The inputs of a figure by name; `names` are its wildcards, `runs` all measured runs."""
    found: dict[str, Any] = {}
    if entry.runs:
        own = _runs_of(entry, runs, names)
        found |= {"runs": record_files(own), "data": data_files(own)}
    if entry.table:
        found["table"] = table_file(entry.table)
    there = {*TABLES_OF_RUNS, *(["replays"] if entry.of == OF_REPLAY else [])}
    found |= {name: table_file(name) for name in entry.beside if name in there}
    if entry.predicted:
        found["predicted"] = predicted_file(names["model"], names["workload"])
        found["sustained"] = predicted_capacity_file(names["model"], names["workload"])
    if entry.replays:
        found["replays"] = sweep_file(names["model"], names["workload"], entry.sweep)
    if entry.workload:
        found["workload"] = workload_file(names["model"], names["workload"])
    return found | {name: of_project(f"config/{name}.yaml") for name in entry.project}


def _runs_of(entry: Entry, runs: Sequence[RunName], names: Mapping[str, str]) -> list[RunName]:
    """The runs that a figure shows: all runs of its model and workload, or the points of its sweep."""
    own = [run for run in runs if (run.model, run.workload) == (names["model"], names["workload"])]
    return [run for run in own if run.point.startswith(f"{entry.sweep}-")] if entry.sweep else own


def figure_files(folder: str, name: str, formats: Sequence[str]) -> dict[str, str]:
    """The files of a figure by format; `folder` below results/figures may hold wildcards."""
    return {suffix: f"results/figures/{folder}/{name}.{suffix}" for suffix in formats}


def run_figures(runs: Sequence[RunName], formats: Sequence[str]) -> list[str]:
    """Files of the figures of all models and workloads."""
    return [
        file
        for pair in pairs_of(runs)
        for name in figures_of([run for run in runs if (run.model, run.workload) == pair])
        for file in figure_files("/".join(pair), name, formats).values()
    ]


def replay_figures(config: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """Files of the figures of all replays."""
    return [
        file
        for name, own in config["replays"].items()
        for entry in FIGURES
        if entry.of == OF_REPLAY and (entry.key is None or entry.key in own)
        for file in figure_files(OF_REPLAY.format(scenario=name), entry.name, formats).values()
    ]


def capacity_figures(config: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """Files of the capacity figures; none if the configuration has no capacity plan."""
    return _all_of(OF_PLAN, OF_PLAN, formats) if config["capacity"] else []


def kernel_figures(config: Mapping[str, Any], runs: Sequence[RunName], formats: Sequence[str]) -> list[str]:
    """Files of the figures of the attention kernel; none on a CPU, where it cannot be timed."""
    return _all_of(OF_KERNEL, OF_KERNEL, formats) if prices_paging(config, runs) and uses_cuda(config) else []


def _all_of(kind: str, place: str, formats: Sequence[str]) -> list[str]:
    names = [entry.name for entry in FIGURES if entry.of == kind]
    return [file for name in names for file in figure_files(place, name, formats).values()]


def capacity_files(config: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """The planning page, its table and its figures; none if the configuration has no capacity plan."""
    pages = [*map(table_file, ("capacity", "kv_by_context")), "results/capacity.html"] if config["capacity"] else []
    return [*pages, *capacity_figures(config, formats)]


def replay_files(config: Mapping[str, Any], formats: Sequence[str]) -> list[str]:
    """The files of the replays besides their tables, of scenarios and of runs at rates of arrival."""
    made = [file for name in config["replays"] for file in replay_data(name)]
    return [
        *made,
        *hit_rate_files(config),
        *fleet_files(config),
        *replay_figures(config, formats),
        *predicted_files(config),
        *predicted_capacity_files(config),
    ]
