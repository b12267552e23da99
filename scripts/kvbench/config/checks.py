"""Checks of the configuration that a schema cannot express: names that must exist, runs that must be comparable."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from kvbench.config.wording import Invalid, quote, suggest
from kvbench.engines.names import BENCHMARKED, CUDA_ONLY, SEVERAL_GPUS, SHARING, shared_setting
from kvbench.kv.policies import RESERVING, takes_time

if TYPE_CHECKING:
    from kvbench.config.settings import RunName

Plan = list[tuple[int, "RunName", dict]]

WILDCARD = re.compile(r"\{\s*\w+\s*(,.*)?\}")
TEXT_KINDS = ("guide",)
# Runs of one model and workload are compared with each other, so these must not differ between them.
COMPARED = ("sampling", "max_length", "sequential_requests", "gpus")
# These may differ between their points, and only there.
COMPARED_AT_POINT = ("kv_budget_mib", "prefix_sharing")


def check(config: dict, plan: Plan, engines: Collection[str], cuda: bool) -> None:
    """Raise Invalid for the first thing that the schema cannot see.

    `engines` are all that there are, `cuda` says whether they run on a CUDA device.
    """
    if not (config["runs"] or config["replays"] or config["capacity"]):
        raise Invalid("runs", "is empty, and so are replays and capacity; add an entry to one of the three")
    _check_names(config, engines)
    _check_devices(plan, cuda)
    _check_sources(config, plan)
    _check_sharing(config, plan)
    _check_options(config["engines"])
    _check_sweeps(config["runs"])
    _check_unique(plan)
    _check_comparable(plan, config)
    _check_lengths(config, plan)
    _check_block_sizes(config, plan, cuda)
    _check_gpus(config, plan, cuda)
    _check_benchmarks(config, plan)
    _check_capacity(config["capacity"])
    _check_replays(config["replays"])
    if not {"svg", "png"} & set(config["figures"]["formats"]):
        raise Invalid("figures.formats", "the report needs svg or png; add one")


def _check_names(config: dict, engines: Collection[str]) -> None:
    if "parity" in config["workloads"]:
        raise Invalid("workloads.parity", "this name is taken by the parity gate; use another")
    for number, entry in enumerate(config["runs"]):
        for kind in ("models", "workloads"):
            _check_known(entry[kind], config[kind], kind[:-1], f"runs[{number}].{kind}")
        for engine in entry["engines"]:
            if engine not in engines:
                raise Invalid(f"runs[{number}].engines", f"unknown engine {quote(engine)}; {suggest(engine, engines)}")


def _check_known(names: list[str], known: dict, kind: str, at: str) -> None:
    for name in names:
        if name not in known:
            raise Invalid(at, f"unknown {kind} {quote(name)}; {suggest(name, known)}")


def _check_devices(plan: Plan, cuda: bool) -> None:
    for number, run, _ in plan:
        if run.engine in CUDA_ONLY and not cuda:
            problem = f"{run.engine} needs a CUDA device: {CUDA_ONLY[run.engine]}"
            raise Invalid(f"runs[{number}].engines", problem)


def _check_sharing(config: dict, plan: Plan) -> None:
    for number, run, own in plan:
        if run.engine not in SHARING and own.get("prefix_sharing", config["prefix_sharing"]):
            mend = f"set it to false for this engine or use {', '.join(SHARING)}"
            raise Invalid(_place("prefix_sharing", number, run, own), f"{run.engine} cannot share blocks; {mend}")


def _check_gpus(config: dict, plan: Plan, cuda: bool) -> None:
    for number, run, own in plan:
        gpus = own.get("gpus", config["gpus"])
        at = _place("gpus", number, run, own)
        if gpus > 1 and not cuda:
            raise Invalid(at, f"{gpus} GPUs for runs on a CPU; set it to 1, or device to cuda")
        if gpus > 1 and run.engine not in SEVERAL_GPUS:
            raise Invalid(at, f"{run.engine} runs on one GPU; leave it out here or give it an entry of its own")
        heads = config["models"][run.model].get("shape", {}).get("kv_heads", gpus)
        if heads % gpus:
            raise Invalid(at, f"{run.model} has {heads} KV heads, which {gpus} GPUs cannot share evenly; lower it")


def _place(key: str, number: int, run: RunName, own: dict) -> str:
    """Where the value of a run's key was written: its entry's sweep, its entry, or the top of the file."""
    if key not in own:
        return key
    swept = run.point.startswith(f"{key}-")
    return f"runs[{number}].{'sweep.' * swept}{key}"


def _check_sources(config: dict, plan: Plan) -> None:
    """The files that runs need are there, and no text goes to a model without a tokenizer."""
    for number, run, _ in plan:
        model, workload = config["models"][run.model], config["workloads"][run.workload]
        if model["source"] == "path" and not Path(model["path"]).is_dir():
            raise Invalid(f"models.{run.model}.path", f"no folder {quote(model['path'])}; give one that exists")
        if workload["kind"] == "user":
            _check_file(f"workloads.{run.workload}.file", workload["file"])
        if model["source"] == "shape" and workload["kind"] in TEXT_KINDS:
            mend = "use a workload without text, such as mixed, or a model with a tokenizer"
            raise Invalid(f"runs[{number}].workloads", f"{run.workload} is text and {run.model} is a shape; {mend}")


def _check_file(at: str, path: str) -> None:
    """A user's file is there, and no part of its name a wildcard of Snakemake's, which knows no way to escape one."""
    if not Path(path).is_file():
        raise Invalid(at, f"no file {quote(path)}; give one that exists")
    if found := WILDCARD.search(path):
        raise Invalid(at, f"Snakemake takes {found[0]} in {quote(path)} for a wildcard; rename it without the braces")


def _check_options(engines: dict) -> None:
    """No engine's own option sets what all engines of a comparison share."""
    for engine, options in engines.items():
        for option in options or {}:
            if (key := shared_setting(engine, option)) is not None:
                raise Invalid(f"engines.{engine}.{option}", f"the same for all engines; remove it{key and f', {key}'}")


def _check_sweeps(entries: list[dict]) -> None:
    for number, entry in enumerate(entries):
        for key in entry.get("sweep", {}):
            if key in entry:
                raise Invalid(f"runs[{number}].{key}", "the entry's sweep sets it too; remove one of the two")


def _check_unique(plan: Plan) -> None:
    first: dict[RunName, int] = {}
    for number, run, _ in plan:
        if run in first:
            same = f"{run.model}, {run.workload}, {run.engine}, {run.point}"
            raise Invalid(f"runs[{number}]", f"runs[{first[run]}] has the same run ({same}); remove one")
        first[run] = number


def _check_comparable(plan: Plan, config: dict) -> None:
    """One sampling, length and subset for each model and workload; one budget and sharing for each of their points."""
    first: dict[tuple, tuple[int, object]] = {}
    for number, run, own in plan:
        for key in (*COMPARED, *COMPARED_AT_POINT):
            value = {**config["sampling"], **own.get(key, {})} if key == "sampling" else own.get(key, config[key])
            group = (key, run.model, run.workload, run.point if key in COMPARED_AT_POINT else "")
            earlier, other = first.setdefault(group, (number, value))
            if value != other:
                problem = f"{quote(value)} differs from {quote(other)} of runs[{earlier}] for {run.workload}"
                raise Invalid(f"runs[{number}].{key}", f"{problem}; make them equal or give the workload a second name")


def _check_lengths(config: dict, plan: Plan) -> None:
    parity = config["parity"]
    if parity["output_tokens"] >= parity["max_length"]:
        raise Invalid("parity.output_tokens", f"must be below parity.max_length ({parity['max_length']}); lower it")
    for number, run, own in plan:
        longest = config["models"][run.model].get("shape", {}).get("max_position_embeddings")
        length = own.get("max_length", config["max_length"])
        if longest and length > longest:
            at = f"runs[{number}].max_length" if "max_length" in own else "max_length"
            raise Invalid(at, f"{length} is more than {run.model}'s max_position_embeddings ({longest}); lower it")


def _check_block_sizes(config: dict, plan: Plan, cuda: bool) -> None:
    if cuda:
        return
    for number, run, own in plan:
        size = own.get("block_size", config["block_size"])
        if run.engine.startswith("vllm") and size != "auto" and size % 32:
            problem = f"{size} is not a multiple of 32, which vLLM needs on a CPU; write 32, 64 or auto"
            raise Invalid(_place("block_size", number, run, own), problem)


def _check_benchmarks(config: dict, plan: Plan) -> None:
    """Each has a run to take its requests and settings from, on one GPU and with a KV budget in MiB."""
    runs = {(run.model, run.workload, run.engine): own for _, run, own in plan if run.point == "base"}
    for name, own in config["benchmarks"].items():
        at, engine = f"benchmarks.{name}", BENCHMARKED[own["kind"]]
        for key in ("model", "workload"):
            _check_known([own[key]], config[f"{key}s"], key, f"{at}.{key}")
        settings = runs.get((own["model"], own["workload"], engine))
        if settings is None:
            run = f"{engine} with {own['model']} and {own['workload']}"
            raise Invalid(at, f"no entry of runs serves {run} outside a sweep; add one, or take another workload")
        if own["kind"] == "peer-hf" and config["models"][own["model"]]["source"] == "shape":
            raise Invalid(f"{at}.model", f"the hf backend takes text and {own['model']} is a shape; use another model")
        for key, wrong in (("kv_budget_mib", "auto"), ("prefix_sharing", True)):
            if settings.get(key, config[key]) == wrong:
                raise Invalid(
                    at, f"its run has {key} {quote(wrong)}, which benchmarks do not take; use another workload"
                )
        if settings.get("gpus", config["gpus"]) > 1:
            raise Invalid(at, "its run is on several GPUs, which benchmarks do not take; use another workload")


def _check_capacity(plans: dict) -> None:
    for name, own in plans.items():
        at, card = f"capacity.{name}", own["card"]
        if ("model" in own) == ("shape" in own):
            raise Invalid(at, "needs a model by name or a shape by sizes; write one of model and shape")
        if "requests_per_s" in own and not takes_time(own):
            mend = "add step_time with its source, or leave the rate out to learn what fits"
            raise Invalid(f"{at}.requests_per_s", f"cards for a rate need the time of a step; {mend}")
        if card["activation_reserve"] >= card["memory_fraction"]:
            problem = (
                f"{card['activation_reserve']} leaves nothing of memory_fraction {card['memory_fraction']}; lower it"
            )
            raise Invalid(f"{at}.card.activation_reserve", problem)


def _check_replays(replays: dict) -> None:
    for name, own in replays.items():
        at = f"replays.{name}"
        if ("workload" in own) == ("file" in own):
            raise Invalid(at, "needs a workload by name or a file of yours; write one of workload and file")
        if "file" in own:
            _check_file(f"{at}.file", own["file"])
        if "workload" in own and "requests" not in own:
            raise Invalid(f"{at}.requests", "missing; write how many to draw, for example 2000")
        if "workload" in own and "trace" in own:
            raise Invalid(f"{at}.trace", "says what a file is, and this is a workload; leave it out")
        if "requests_per_s" in own and not takes_time(own):
            mend = "add step_time with its source, or leave the rate out for a queue that is all there at once"
            raise Invalid(f"{at}.requests_per_s", f"arrivals need the time of a step; {mend}")
        if own["shared_prefix_tokens"] > own["max_length"] - 2:
            problem = f"{own['shared_prefix_tokens']} leave no room in max_length {own['max_length']}; lower it"
            raise Invalid(f"{at}.shared_prefix_tokens", problem)
        if own["prefix_sharing"]:
            _check_replay_sharing(f"{at}.prefix_sharing", own)
        _check_pool(at, own)


def _check_replay_sharing(at: str, own: dict) -> None:
    """Sharing has a policy that shares and, where only lengths are drawn, a block in common; else it finds nothing."""
    if "paged" not in own["policies"]:
        raise Invalid(at, "of the policies only paged shares blocks; add it to policies, or set this to false")
    if "workload" in own and own["shared_prefix_tokens"] < own["block_size"]:
        problem = f"{own['workload']} has lengths alone, which do not say what prompts have in common"
        mend = "give shared_prefix_tokens of a block at least, or a file with token ids, or set it to false"
        raise Invalid(at, f"{problem}; {mend}")


def _check_pool(at: str, own: dict) -> None:
    """The pool holds a request of the maximum length under each policy, as a live engine's must."""
    for policy in own["policies"]:
        room = _largest_piece(policy, own)
        if room < own["max_length"]:
            piece = f"under {policy} one request gets at most {room} of {own['pool_slots']}"
            problem = f"{piece}, and max_length is {own['max_length']}; raise it or lower max_length"
            raise Invalid(f"{at}.pool_slots", problem)


def _largest_piece(policy: str, own: dict) -> int:
    """Slots that one request can have of an empty pool: whole blocks, or the largest power of two of a buddy."""
    pool, size = own["pool_slots"], own["block_size"]
    if policy in RESERVING and own["allocator"] == "buddy":
        return 1 << (pool.bit_length() - 1)
    return pool // size * size if policy in ("paged", "hf-static") else pool
