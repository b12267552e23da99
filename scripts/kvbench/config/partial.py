"""The part of a configuration whose runs are there, for the report of an experiment that is not complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from typing import Any

from kvbench.config import paths
from kvbench.config.parameters import benchmarked_run
from kvbench.config.runs import BASE, RunName, entry_of, parity_list, run_list
from kvbench.engines.names import REFERENCE

Exists = Callable[[str], bool]


def leave_out_missing(config: dict[str, Any], exists: Exists = os.path.exists) -> list[str]:
    """Change `config` so that it asks only for runs whose files are all there; return the folders of the others.

    Where the parity gate has no run of an engine, or none of its reference, nothing says that the engine's tokens are
    right, so that its runs are left out too. Then no rate is looked for between those that were run.
    """
    every = run_list(config)
    ungated = {(run.model, run.engine) for run in parity_list(config) if not _is_there(run, exists)}
    kept = [run for run in every if _is_there(run, exists) and not _is_ungated(run, ungated)]
    config["benchmarks"] = {
        name: own
        for name, own in config["benchmarks"].items()
        if benchmarked_run(config, name) in kept and exists(f"results/benchmarks/{name}.json")
    }
    if not all(map(exists, paths.PAGING_PRICE)):
        config["paging_price"] = {**config["paging_price"], "layouts": {}}
    if kept != every:
        config["slo"] = {**config["slo"], "bisections": 0}
    config["runs"] = list(_entries(config, kept))
    left = set(run_list(config))
    return [run.folder.removeprefix("results/runs/") for run in every if run not in left]


def _is_there(run: RunName, exists: Exists) -> bool:
    return all(map(exists, [*paths.record_files([run]), *paths.data_files([run]), *paths.workloads_of([run])]))


def _is_ungated(run: RunName, ungated: Collection[tuple[str, str]]) -> bool:
    return any((run.model, engine) in ungated for engine in (run.engine, REFERENCE))


def _entries(config: Mapping[str, Any], runs: Iterable[RunName]) -> Iterable[dict[str, Any]]:
    """An entry for each point of each engine, with the processes up to the first that is missing."""
    for (model, engine, workload, point), found in groupby(
        sorted(runs), lambda run: (run.model, run.engine, run.workload, run.point)
    ):
        numbers = {run.process for run in found}
        processes = next(number for number in range(len(numbers) + 1) if number + 1 not in numbers)
        if processes:
            number, own = entry_of(config, RunName(model, engine, workload, point))
            entry = {**config["runs"][number], "models": [model], "workloads": [workload], "engines": [engine]}
            if point != BASE and "sweep" in entry:
                entry["sweep"] = {key: [own[key]] for key in entry["sweep"]}
            yield {**entry, "processes": processes}
