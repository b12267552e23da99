"""Parameters of jobs: the settings of a run, a benchmark or a workload, as plain values in sorted order."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kvbench.config.rates import further_run
from kvbench.config.runs import (
    ARRIVING,
    OVERRIDABLE,
    PARITY,
    RunName,
    entry_of,
    plan,
    run_at_rate,
    run_list,
    runs_of_pair,
)
from kvbench.engines.names import BENCHMARKED, PEER_SERVE, SEQUENTIAL
from kvbench.errors import UserError
from kvbench.workload.rates import RATE

SHARED = ("seed", "memory_fraction", "cpu_threads", "sample_period_s", "device", "shared_gpu")


def shared_settings(config: dict) -> dict:
    """Settings of a run that its model, engine, workload and entry of `runs` leave as they are in config.yaml."""
    return {key: config[key] for key in (*OVERRIDABLE, *SHARED)} | ARRIVING


def run_settings(config: dict, model: str, engine: str, workload: str, point: str) -> dict:
    """All settings of a run, as plain values in sorted order; `point` is the last folder (`RunName.place`)."""
    name = RunName.of(model, engine, workload, point)
    settings = shared_settings(config) | asdict(name)
    settings |= {"dtype": config["models"][model]["dtype"], "options": config["engines"].get(engine) or {}}
    if workload == PARITY:
        greedy = {"temperature": 0.0, "top_p": 1.0}
        subset = config["parity"]["sequential_prompts"] if engine in SEQUENTIAL else 0
        settings |= {"sampling": greedy, "dtype": "float32", "repeats": 1, "sequential_requests": subset}
        settings |= {
            "prefix_sharing": False,
            "kv_dtype": "auto",
            "shared_gpu": True,
        }  # only tokens are compared, nothing is measured
        settings |= {key: config["parity"][key] for key in ("max_length", "kv_budget_mib")}
        return ordered(settings | {"purpose": "parity"})
    entry, own = _entry_of(config, name)
    # The untimed pass that the block map shows takes as long as a timed one: no point of a sweep of rates has it.
    settings["read_blocks"] = RATE not in config["runs"][entry].get("sweep", {})
    settings |= own | {"sampling": {**config["sampling"], **own.get("sampling", {})}}
    if settings[RATE] is not None:
        settings["sequential_requests"] = 0  # whoever serves one at a time serves all that arrive, in their order
    return ordered(settings | {"purpose": "measure"})


def _entry_of(config: dict, name: RunName) -> tuple[int, dict]:
    """The entry of `runs` that asks for a run and the settings that it overrides; UserError if there is none."""
    found = entry_of(config, name) or further_run(config, name)
    if found is None:
        raise UserError(f"config.yaml: runs: no entry produces {name.folder}; add one")
    return found


def attention_options(config: dict) -> dict[str, str]:
    """`attn_implementation` of each Transformers engine in `runs` whose options set it."""
    used = sorted({run.engine for run in run_list(config) if run.engine.startswith("hf-")})
    wishes = {engine: (config["engines"].get(engine) or {}).get("attn_implementation") for engine in used}
    return {engine: wish for engine, wish in wishes.items() if wish}


def benchmark_settings(config: dict, benchmark: str) -> dict:
    """The settings of a benchmark: its own keys, and as `run` those of its run."""
    run = run_settings(config, **_wildcards(benchmarked_run(config, benchmark)))
    return ordered({**config["benchmarks"][benchmark], "run": run})


def benchmarked_run(config: dict, benchmark: str) -> RunName:
    """The run that a benchmark takes its requests and settings from; the check of config.yaml finds that it exists."""
    own = config["benchmarks"][benchmark]
    engine = BENCHMARKED[own["kind"]]
    if own["kind"] != PEER_SERVE:
        return RunName(own["model"], engine, own["workload"])
    return run_at_rate(plan(config), own, engine)[0]


def _wildcards(run: RunName) -> dict[str, str]:
    return {"model": run.model, "engine": run.engine, "workload": run.workload, "point": run.place}


def workload_settings(config: dict, model: str, workload: str) -> dict:
    """The parameters of make_workload: the workload's own keys, the seed and the maximum length that its runs use."""
    shared = {"seed": config["seed"], "max_length": config["max_length"]}
    if workload == PARITY:
        sizes = {key: config["parity"][key] for key in ("prompts", "output_tokens", "max_length")}
        return ordered(shared | {"kind": PARITY} | sizes)
    for run in runs_of_pair(config, model, workload):
        _, own = entry_of(config, run)
        shared["max_length"] = own.get("max_length", shared["max_length"])
    return ordered(shared | config["workloads"][workload])


def workload_options(config: dict, model: str, workload: str) -> dict:
    """A workload's own options, without the seed and maximum length."""
    settings = workload_settings(config, model, workload)
    return {key: settings[key] for key in settings if key not in ("seed", "max_length")}


def workload_max_length(config: dict, model: str, workload: str) -> int:
    """The longest request that a workload may contain, in tokens of prompt and output."""
    return workload_settings(config, model, workload)["max_length"]


def ordered(value: Any) -> Any:
    """`value` with all mappings in it sorted by key: Snakemake reruns a rule if the order of its parameters changes."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value, key=str)}
    return [ordered(item) for item in value] if isinstance(value, list) else value
