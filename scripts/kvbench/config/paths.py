"""Where the pipeline's files are, and which of them a configuration asks for.

All paths are relative to the working directory; `of_project` makes paths to the project's own files so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kvbench.config.parameters import benchmarked_run
from kvbench.config.runs import BASE, RunName, arrives, plan, run_list, runs_of_pair
from kvbench.config.sweeps import swept_runs
from kvbench.engines.names import PEER_SERVE, is_paged
from kvbench.figures.registry import FIGURES
from kvbench.workload.rates import FROM_FILE, RATE, rate_point

PROJECT = Path(__file__).parents[3]
ENVIRONMENT, CONFIG = "results/environment.json", "results/config.yaml"
BANDWIDTH = "results/bandwidth.json"
PAGING_PRICE = ("results/paging_price.json", "results/paging_price.parquet")
REPORT = ("results/report.html", "results/found.txt")
RUN_FILES = ("requests", "kv", "device", "blocks", "margins")
# Keys of `runs[].sweep` whose points are also replayed: a figure shows both.
REPLAYED_SWEEPS = tuple(entry.sweep for entry in FIGURES if entry.replays)
# Tables of kvbench.analysis.tables.of_runs, written by the rule summarise_runs.
SUMMARISED = (
    *("throughput", "latency", "memory", "devices", "kv_waste", "ratios", "attribution", "roofline", "repeats"),
    *("sharing", "kv_dtypes", "processes", "hosts", "upkeep", "kv_groups"),
)
# Tables of kvbench.analysis.tables.of_serving, written by the rule summarise_serving.
OF_SERVING = ("serving", "slowest_requests", "slo_capacity", "slo_ratios", "slo_repeats")
TABLES_OF_RUNS = (
    *(*SUMMARISED, *OF_SERVING, "prefix_hits", "sweeps"),
    *("claims", "workloads", "parity", "planned", "benchmarks", "targets"),
)
# Tables that are also written as LaTeX: kvbench.report.latex has their captions.
TABLES_IN_LATEX = ("throughput", "ratios", "attribution", "claims", "latency", "kv_waste")
METHODS = {"text": "results/methods.txt", "latex": "results/methods.tex"}
TABLES_WITH_TARGETS = ("parity", "kv_waste", "memory", "benchmarks", "throughput", "roofline", "attribution")
# Further sources of a page, relative to the project.
TEMPLATES = "scripts/kvbench/report/templates"
PAGE_PARTS = {
    "report": ("CITATION.cff", f"{TEMPLATES}/report/*", f"{TEMPLATES}/block-map*", f"{TEMPLATES}/block-map/*"),
    "capacity": (f"{TEMPLATES}/capacity.css", f"{TEMPLATES}/capacity/*"),
}


def of_project(path: str) -> str:
    """The path of a project file relative to the working directory, which `--directory` may change."""
    return os.path.relpath(PROJECT / path)


def model_record(model: str) -> str:
    """model.json of a model."""
    return f"resources/models/{model}/model.json"


def workload_file(model: str, workload: str) -> str:
    """The requests of a workload, tokenized for a model."""
    return f"results/workloads/{model}/{workload}.parquet"


def table_file(name: str) -> str:
    """A table in results/tables."""
    return f"results/tables/{name}.csv"


def latex_file(name: str) -> str:
    """A table as LaTeX."""
    return f"results/tables/latex/{name}.tex"


def paper_files(runs: Sequence[RunName]) -> list[str]:
    """What a paper takes from the results: tables as LaTeX and the methods paragraph, if there is a run."""
    return [*map(latex_file, TABLES_IN_LATEX), *METHODS.values()] if runs else []


def sweep_file(model: str, workload: str, key: str) -> str:
    """The replay of the points of a sweep of `key`."""
    return f"results/sweeps/{model}/{workload}/{key}.csv"


def replay_record(scenario: str) -> str:
    """replay.json of a scenario."""
    return f"results/replays/{scenario}/replay.json"


def replay_series(scenario: str) -> str:
    """Bins of the steps of a scenario under each policy."""
    return f"results/replays/{scenario}/series.parquet"


def replay_data(scenario: str) -> list[str]:
    """All that the replay of a scenario writes."""
    return [replay_record(scenario), replay_series(scenario), f"results/replays/{scenario}/steps.parquet"]


def hit_rate_files(config: Mapping[str, Any]) -> list[str]:
    """The hit rates of the scenarios that ask for them."""
    return [f"results/replays/{name}/hit_rate.csv" for name, own in config["replays"].items() if "hit_rate" in own]


def fleet_files(config: Mapping[str, Any]) -> list[str]:
    """fleet.json of the scenarios that are replayed on several replicas."""
    return [f"results/replays/{name}/fleet.json" for name, own in config["replays"].items() if "fleet" in own]


def record_files(runs: Iterable[RunName]) -> list[str]:
    """run.json of each run."""
    return [f"{run.folder}/run.json" for run in runs]


def data_files(runs: Iterable[RunName]) -> list[str]:
    """The Parquet files of each run."""
    return [f"{run.folder}/{name}.parquet" for run in runs for name in RUN_FILES]


def models_of(runs: Iterable[RunName]) -> list[str]:
    """model.json of the models of runs."""
    return sorted({model_record(run.model) for run in runs})


def workloads_of(runs: Iterable[RunName]) -> list[str]:
    """The workload files that runs serve."""
    return [workload_file(*pair) for pair in pairs_of(runs)]


def pairs_of(runs: Iterable[RunName]) -> list[tuple[str, str]]:
    """The models and workloads of runs, each pair once."""
    return sorted({(run.model, run.workload) for run in runs})


def source_files(runs: Sequence[RunName]) -> list[str]:
    """The files that runs need: environment, bandwidth, configuration, models and workloads.

    They are requested by name because Snakemake does not recreate a missing file if the files made from it exist, so
    the next call would not notice that it had failed.
    """
    return [ENVIRONMENT, *([BANDWIDTH] if runs else []), CONFIG, *models_of(runs), *workloads_of(runs)]


def tables(config: Mapping[str, Any], runs: Sequence[RunName]) -> list[str]:
    """The tables of a configuration; without runs there are only those of replays."""
    names = [*(TABLES_OF_RUNS if runs else ()), *(["replays"] if config["replays"] else [])]
    names += ["hit_rates"] if hit_rate_files(config) else []
    names += ["fleets"] if fleet_files(config) else []
    names += ["paging_price"] if prices_paging(config, runs) else []
    names += ["predictions", "predicted_capacity"] if predicted_files(config) else []
    return [table_file(name) for name in names]


def capacity_tables(config: Mapping[str, Any]) -> list[str]:
    """The table of capacity plans, as a list; empty without a plan."""
    return [table_file("capacity")] if config["capacity"] else []


def prices_paging(config: Mapping[str, Any], runs: Sequence[RunName]) -> bool:
    """Whether the attention kernel is timed: if there is a run and a head layout."""
    return bool(runs and config["paging_price"]["layouts"])


def swept_records(config: Mapping[str, Any], model: str, workload: str, sweep: str) -> list[str]:
    """run.json of the points of a sweep."""
    return record_files(swept_runs(config, model, workload, sweep))


def swept_in_all(config: Mapping[str, Any], runs: Iterable[RunName], key: str) -> list[RunName]:
    """The points of the sweeps of `key`, for all models and workloads."""
    return [run for pair in pairs_of(runs) for run in swept_runs(config, *pair, key)]


def swept_data(config: Mapping[str, Any], runs: Sequence[RunName]) -> list[str]:
    """Parquet files of the points of all sweeps that are replayed."""
    return sorted({file for key in REPLAYED_SWEEPS for file in data_files(swept_in_all(config, runs, key))})


def sweep_files(config: Mapping[str, Any], runs: Sequence[RunName]) -> list[str]:
    """The files of the replays of swept runs."""
    found = ((run, key) for key in REPLAYED_SWEEPS for run in swept_in_all(config, runs, key))
    return sorted({sweep_file(run.model, run.workload, key) for run, key in found})


def chosen_rates(model: str, workload: str, number: int | str) -> str:
    """The rates that a round of the search for capacities adds, by engine."""
    return f"results/serving/{model}/{workload}/rates-{number}.json"


def predicted_file(model: str, workload: str) -> str:
    """Predicted latencies at rates of arrival."""
    return f"results/serving/{model}/{workload}/predicted.csv"


def predicted_capacity_file(model: str, workload: str) -> str:
    """Predicted capacities at the SLO."""
    return f"results/serving/{model}/{workload}/predicted_capacity.csv"


def at_rates(runs: Iterable[RunName]) -> list[RunName]:
    """The runs whose requests arrive at a rate."""
    return [run for run in runs if arrives(run) and run.point != rate_point(FROM_FILE)]


def predicted_files(config: Mapping[str, Any]) -> list[str]:
    """The predictions of a configuration: one of each model and workload with runs at rates."""
    return [predicted_file(*pair) for pair in pairs_of(at_rates(run_list(config)))]


def predicted_capacity_files(config: Mapping[str, Any]) -> list[str]:
    """The predicted capacities at the SLO, beside each of `predicted_files`."""
    return [predicted_capacity_file(*pair) for pair in pairs_of(at_rates(run_list(config)))]


def predicted_inputs(
    config: Mapping[str, Any], model: str, workload: str, searched: Sequence[RunName]
) -> dict[str, list[str]]:
    """The records and Parquet files of the runs at rates from which latencies are predicted.

    `searched` are those that the search for capacities has added.
    """
    runs = [*at_rates(runs_of_pair(config, model, workload)), *searched]
    return {"runs": record_files(runs), "data": data_files(runs)}


def map_file(model: str, workload: str, point: str = BASE) -> str:
    """The block map of a model and workload, at a point other than `base` in a folder of the workload's."""
    return f"results/maps/{model}/{workload}{'' if point == BASE else f'/{point}'}.json.gz"


def maps(config: Mapping[str, Any], runs: Iterable[RunName]) -> list[str]:
    """The block maps of a configuration, of each model and workload that an engine with blocks serves.

    They are of `base` and of each rate of arrivals that an entry of `runs` names alone: points of a sweep are not read.
    """
    alone = {run for entry, run, _ in plan(config) if RATE in config["runs"][entry]}
    read = (run for run in runs if is_paged(run.engine) and (run.point == BASE or run in alone))
    shown = {(run.model, run.workload, run.point) for run in read}
    return [map_file(*one) for one in sorted(shown)]


def mapped_runs(config: Mapping[str, Any], model: str, workload: str, point: str = BASE) -> list[RunName]:
    """The runs that a block map shows: the first process of each engine at its point."""
    return [run for run in runs_of_pair(config, model, workload) if (run.point, run.process) == (point, 1)]


def map_inputs(config: Mapping[str, Any], model: str, workload: str, point: str = BASE) -> dict[str, list[str]]:
    """The records and Parquet files of the runs that a block map shows."""
    runs = mapped_runs(config, model, workload, point)
    return {"runs": record_files(runs), "data": data_files(runs)}


def benchmark_files(config: Mapping[str, Any]) -> list[str]:
    """The results of the benchmarks of kvbench itself."""
    return [f"results/benchmarks/{name}.json" for name in sorted(config["benchmarks"])]


def benchmark_inputs(config: Mapping[str, Any], benchmark: str) -> dict[str, str]:
    """The model and the requests of a benchmark; for `peer-serve` also the record and latencies of its run."""
    own, run = config["benchmarks"][benchmark], benchmarked_run(config, benchmark)
    files = {"model": model_record(run.model), "workload": workload_file(run.model, run.workload)}
    if own["kind"] != PEER_SERVE:
        return files
    return files | {"run": f"{run.folder}/run.json", "requests": f"{run.folder}/requests.parquet"}


def planned_models(config: Mapping[str, Any]) -> list[str]:
    """model.json of each model in `models` that a capacity plan names."""
    named = {plan.get("model") for plan in config["capacity"].values()}
    return sorted(model_record(name) for name in named if name in config["models"])


def user_file(config: Mapping[str, Any], section: str, name: str) -> list[str]:
    """The user's file of a workload or replay, as a list; empty if it has none."""
    own = config[section].get(name, {})
    return [own["file"]] if "file" in own else []


def page_sources(name: str, *captions: str) -> list[str]:
    """What a page is made from besides code, relative to the project: templates and captions, all or the named ones."""
    files = [PROJECT / TEMPLATES / file for file in (f"{name}.html.j2", "macros.html.j2", "style.css")]
    files += [file for part in PAGE_PARTS.get(name, ()) for file in sorted(PROJECT.glob(part)) if file.is_file()]
    files += sorted(file for one in captions or ("*",) for file in (PROJECT / "captions").glob(f"{one}.rst"))
    return [str(file.relative_to(PROJECT)) for file in files]
