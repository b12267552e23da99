"""Settings of the experiment: validation in one-line errors, the list of runs, the settings of each.

Imported whenever Snakemake starts, so nothing heavy is imported here.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kvbench.config.checks import check
from kvbench.config.schema import completed
from kvbench.config.wording import Invalid
from kvbench.engines.names import BENCHMARKED, ENGINES, REFERENCE, SEQUENTIAL, is_paged
from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

OVERRIDABLE = (
    "repeats",
    "sampling",
    "max_length",
    "kv_budget_mib",
    "block_size",
    "prefix_sharing",
    "sequential_requests",
    "gpus",
)
SHARED = ("seed", "memory_fraction", "cpu_threads", "sample_period_s", "device", "shared_gpu")
FIGURES = (
    *("memory", "throughput", "latency", "attribution", "roofline", "kv_waste", "parity", "memory_parts", "sharing"),
    *("workload_lengths", "block_size", "preemption"),
)
# Keys of sweeps that have a figure and a replay, by the figure.
SWEPT = {"block_size": "block_size", "preemption": "kv_budget_mib"}
# Paths of the user's in entries of these sections.
PATHS = (("models", "path"), ("workloads", "file"), ("replays", "file"))
PARITY = "parity"
BASE = "base"
PLACE = re.compile(r"(.+?)(?:\.process-(\d+))?")


@dataclass(frozen=True, order=True)
class RunName:
    """Which run, and which of its processes: the fields are the folders of its files under results/runs/."""

    model: str
    engine: str
    workload: str
    point: str = BASE
    process: int = 1

    @classmethod
    def of(cls, model: str, engine: str, workload: str, point: str) -> RunName:
        """The run of these folders, the last as `place` writes it."""
        point, number = PLACE.fullmatch(point).groups()
        return cls(model, engine, workload, point, int(number or 1))

    @property
    def place(self) -> str:
        """The last folder: the point, and from the second process on its number, such as `base.process-2`."""
        return self.point + (f".process-{self.process}" if self.process > 1 else "")

    @property
    def folder(self) -> str:
        """Where the run's files are."""
        return f"results/runs/{self.model}/{self.engine}/{self.workload}/{self.place}"


def validate(config: dict, schema_path: str | Path, origin: Callable[[str], str] = lambda key: "config.yaml") -> dict:
    """The checked configuration with every default filled in; `config` itself is completed too.

    `origin` names the file that a key such as `workloads.mixed.file` comes from. Raises UserError naming file, key and
    mend.
    """
    try:
        complete = _with_home(completed(config, read_yaml(schema_path)))
        check(complete, plan(complete), ENGINES, uses_cuda(complete))
    except Invalid as error:
        raise UserError(f"{origin(error.at)}: {error}") from None
    config.clear()
    config.update(complete)
    return config


def _with_home(config: dict) -> dict:
    """`config` with `~` in its paths written out; of engines' options the engines make what they will."""
    for section, key in PATHS:
        for entry in config[section].values():
            if key in entry:
                entry[key] = os.path.expanduser(entry[key])
    return config


def uses_cuda(config: dict) -> bool:
    """Whether the engines will run on a CUDA device, judged by the presence of a driver."""
    if config["device"] != "auto":
        return config["device"] == "cuda"
    return os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi") is not None


def plan(config: dict) -> list[tuple[int, RunName, dict]]:
    """Each run with the number of its entry in `runs` and the settings that the entry overrides."""
    runs = []
    for number, entry in enumerate(config["runs"]):
        own = {key: entry[key] for key in OVERRIDABLE if key in entry}
        for model, workload, engine in itertools.product(entry["models"], entry["workloads"], entry["engines"]):
            for point, swept in _points(entry):
                runs.append((number, RunName(model, engine, workload, point), {**own, **swept}))
    return runs


def run_list(config: dict) -> list[RunName]:
    """The runs to measure, in the order of the configuration; one for each of its processes."""
    return [
        replace(run, process=number + 1)
        for entry, run, _ in plan(config)
        for number in range(config["runs"][entry].get("processes", config["processes"]))
    ]


def figures_of(runs: Sequence[RunName]) -> list[str]:
    """Names of the figures of one model and workload: those that its runs have something for."""
    points = {run.point.partition("-")[0] for run in runs}
    engines = {run.engine for run in runs}
    has = {
        "attribution": BASE in points,
        "parity": REFERENCE in engines and len(engines) > 1,
        "sharing": any(_swept(runs, engine, "prefix_sharing") for engine in engines),
        **{figure: bool(_paged_points(runs, key)) for figure, key in SWEPT.items()},
    }
    return [name for name in FIGURES if has.get(name, True)]


def swept_runs(config: dict, model: str, workload: str, key: str) -> list[RunName]:
    """Points of a sweep of `key` by engines with blocks that serve all requests and have two or more.

    An engine's base is one of them where it differs from its points in nothing else.
    """
    runs = [run for run in run_list(config) if (run.model, run.workload) == (model, workload)]
    points = _paged_points(runs, key)
    rest = {run.engine: _settings_beside(config, run, key) for run in points}
    bases = [run for run in runs if run.point == BASE and run.engine in rest]
    return points + [run for run in bases if _settings_beside(config, run, key) == rest[run.engine]]


def _settings_beside(config: dict, run: RunName, key: str) -> dict:
    """What a point has in common with others that differ in `key` alone."""
    settings = run_settings(config, run.model, run.engine, run.workload, run.place)
    return {name: value for name, value in settings.items() if name not in (key, "point", "process", "repeats")}


def _paged_points(runs: Sequence[RunName], key: str) -> list[RunName]:
    """Points of a sweep of `key` on one model and workload, of engines with blocks that serve all requests."""
    wanted = {e for e in {run.engine for run in runs} if is_paged(e) and e not in SEQUENTIAL and _swept(runs, e, key)}
    return [run for run in runs if run.engine in wanted and run.point.startswith(f"{key}-")]


def _swept(runs: Sequence[RunName], engine: str, key: str) -> bool:
    """Whether an engine has two or more points of a sweep of `key`."""
    return len({run.point for run in runs if run.engine == engine and run.point.startswith(f"{key}-")}) > 1


def parity_list(config: dict) -> list[RunName]:
    """The parity runs: engines of the gate that a model with text is used with, and the reference."""
    used = {(run.model, run.engine) for run in run_list(config)}
    with_text = {model for model, _ in used if config["models"][model]["source"] != "shape"}
    gate = config["parity"]["engines"]
    pairs = {(m, e) for m, e in used if m in with_text and e in gate} | {(m, REFERENCE) for m in with_text}
    return [RunName(model, engine, PARITY) for model, engine in sorted(pairs)]


def run_settings(config: dict, model: str, engine: str, workload: str, point: str) -> dict:
    """Everything that a run needs to know, plain and sorted; `point` is the last folder (`RunName.place`)."""
    name = RunName.of(model, engine, workload, point)
    settings = {key: config[key] for key in (*OVERRIDABLE, *SHARED)}
    settings |= asdict(name)
    settings |= {"dtype": config["models"][model]["dtype"], "options": config["engines"].get(engine) or {}}
    if workload == PARITY:
        greedy = {"temperature": 0.0, "top_p": 1.0}
        subset = config["parity"]["sequential_prompts"] if engine in SEQUENTIAL else 0
        settings |= {"sampling": greedy, "dtype": "float32", "repeats": 1, "sequential_requests": subset}
        settings |= {"prefix_sharing": False, "shared_gpu": True}  # tokens are compared, nothing is measured
        settings |= {key: config["parity"][key] for key in ("max_length", "kv_budget_mib")}
        return ordered(settings | {"purpose": "parity"})
    if name not in run_list(config):
        raise UserError(f"config.yaml: runs: no entry makes {name.folder}; add one")
    own = next(own for _, run, own in plan(config) if run == replace(name, process=1))
    settings |= own | {"sampling": {**config["sampling"], **own.get("sampling", {})}}
    return ordered(settings | {"purpose": "measure"})


def attention_options(config: dict) -> dict[str, str]:
    """`attn_implementation` of each Transformers engine that runs use and that asks for one."""
    used = sorted({run.engine for run in run_list(config) if run.engine.startswith("hf-")})
    wishes = {engine: (config["engines"].get(engine) or {}).get("attn_implementation") for engine in used}
    return {engine: wish for engine, wish in wishes.items() if wish}


def benchmark_settings(config: dict, name: str) -> dict:
    """What a benchmark is given: its own keys, and the length and budget of the run that it is of."""
    own = config["benchmarks"][name]
    run = run_settings(config, own["model"], BENCHMARKED[own["kind"]], own["workload"], BASE)
    return ordered({**own, **{key: run[key] for key in ("max_length", "kv_budget_mib")}})


def workload_settings(config: dict, model: str, workload: str) -> dict:
    """What make_workload needs: the workload's own keys, seed and the maximum length that its runs use."""
    shared = {"seed": config["seed"], "max_length": config["max_length"]}
    if workload == PARITY:
        sizes = {key: config["parity"][key] for key in ("prompts", "output_tokens", "max_length")}
        return ordered(shared | {"kind": PARITY} | sizes)
    for _, run, own in plan(config):
        if (run.model, run.workload) == (model, workload) and "max_length" in own:
            shared["max_length"] = own["max_length"]
    return ordered(shared | config["workloads"][workload])


def _points(entry: dict) -> list[tuple[str, dict]]:
    """The points of an entry and what each sets: `block_size-32` and {"block_size": 32}, `prefix_sharing-true`."""
    if "sweep" not in entry:
        return [(BASE, {})]
    [(key, values)] = entry["sweep"].items()
    return [(f"{key}-{str(value).lower()}", {key: value}) for value in values]


def ordered(value: Any) -> Any:
    """Mappings in order of their keys, all the way down: Snakemake reruns a rule whose parameters change order."""
    if isinstance(value, dict):
        return {key: ordered(value[key]) for key in sorted(value, key=str)}
    return [ordered(item) for item in value] if isinstance(value, list) else value
