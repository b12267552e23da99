"""The call of Snakemake that runs the jobs of a configuration on SLURM, and what each job asks for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvbench.config.parameters import run_settings
from kvbench.config.runs import run_list
from kvbench.config.wording import Invalid, suggest
from kvbench.errors import UserError
from kvbench.machine.slurm import Node

# Rules that measure: each of their jobs has the resource `measure`.
MEASURING = ("run_traditional", "run_vllm", "run_benchmark", "measure_bandwidth", "measure_paging_price")
# Share of a node's memory that `auto` asks for: SLURM may keep some for the system.
SHARE = 0.9
OTHERS_MB = 8 * 1024
MINUTES = {"measuring": 240, "others": 60}
# The plugin looks after its jobs every 180 s at least, and squeue forgets a job this long after its end.
LEAST_AGE_S = 240


@dataclass(frozen=True)
class Request:
    """What a job asks SLURM for."""

    cpus: int
    memory_mb: int
    runtime_min: int


def arguments(config: Mapping[str, Any], nodes: Sequence[Node], rules: Collection[str], *, cuda: bool) -> list[str]:
    """Arguments of Snakemake that give each rule its CPUs, memory and time; `rules` are those that exist.

    Raises:
        Invalid: no node can meet a request, or a rule is unknown.
    """
    own = config["cluster"]
    for name in own["rules"]:
        if name not in rules:
            raise Invalid(f"cluster.rules.{name}", f"unknown rule; {suggest(name, sorted(rules))}")
    gpus = most_gpus(config) if cuda else 0
    eligible = usable(nodes, own["partition"], gpus)
    special = {name: _asked(own, name, eligible) for name in (*MEASURING, *own["rules"])}
    others = _asked(own, None, eligible)
    for name, request in {**special, "": others}.items():
        _check(request, f"cluster.rules.{name}" if name in own["rules"] else _section(name), eligible)
    cpus = special[MEASURING[0]].cpus
    extra = ["slurm_extra='--exclusive'"] if own["exclusive"] else []
    resources = [
        f"{name}:{setting}"
        for name, request in special.items()
        for setting in (*_resources(request), *(extra if name in MEASURING else ()))
    ]
    return [
        *("--cores", str(cpus), "--resources", f"measure={own['nodes']}", f"gpu={max(gpus, 1) * own['nodes']}"),
        *("--default-resources", *_resources(others), *_where(own)),
        *("--set-threads", *(f"{name}={request.cpus}" for name, request in special.items())),
        *("--set-resources", *resources),
    ]


def device_of(config: Mapping[str, Any], nodes: Sequence[Node], *, has_cuda: bool) -> str:
    """Where engines run: `auto` is decided by the nodes, since this machine may have no GPU, and by the packages.

    `has_cuda`: the engines that are installed run on GPUs.
    """
    if config["device"] != "auto":
        return config["device"]
    there = in_partition(nodes, config["cluster"]["partition"])
    return "cuda" if has_cuda and any(node.gpus for node in there) else "cpu"


def in_partition(nodes: Sequence[Node], partition: str) -> list[Node]:
    """The nodes of a partition; those of SLURM's default if it has no name."""
    return [node for node in nodes if (node.partition == partition if partition else node.is_default)]


def most_gpus(config: Mapping[str, Any]) -> int:
    """The GPUs of the run that uses most."""
    names = [(run.model, run.engine, run.workload, run.place) for run in run_list(config)]
    return max((run_settings(config, *name)["gpus"] for name in names), default=1)


def usable(nodes: Sequence[Node], partition: str, gpus: int) -> list[Node]:
    """The nodes of a partition, by default SLURM's, that are up and have as many GPUs; Invalid if there is none."""
    there = sorted({node.partition for node in nodes})
    if not partition and not any(node.is_default for node in nodes):
        raise Invalid("cluster.partition", f"SLURM has no default; set one of: {', '.join(there)}")
    found = in_partition(nodes, partition)
    if not found:
        raise Invalid("cluster.partition", f"{partition} is unknown to SLURM; {suggest(partition, there)}")
    name = found[0].partition
    if not any(node.is_up for node in found):
        raise Invalid("cluster.partition", f"no node of {name} takes jobs; see sinfo, or name another")
    enough = [node for node in found if node.is_up and node.gpus >= gpus]
    if not enough:
        most = max(node.gpus for node in found if node.is_up)
        mend = "lower gpus" if most else "set device: cpu"
        told = f"{gpus} for a run, but no node of partition {name} that is up has more than {most}"
        raise Invalid("gpus", f"{told}; {mend}, or name another partition in cluster.partition")
    return enough


def status_arguments(settings: Mapping[str, str]) -> list[str]:
    """How the plugin finds that a job has ended; UserError where it could wait for ever.

    squeue shows a job until MinJobAge after its end, sacct as long as there is accounting.
    """
    age = settings.get("MinJobAge", "").split(" ")[0]
    if age.isdigit() and int(age) >= LEAST_AGE_S:
        return ["--slurm-status-command", "squeue"]
    if settings.get("AccountingStorageType", "accounting_storage/none") != "accounting_storage/none":
        return ["--slurm-status-command", "sacct"]
    told = (
        f"SLURM forgets a job {age or '?'} s after its end (MinJobAge) and has no accounting: its end could be missed"
    )
    raise UserError(f"{told}; ask the administrator for MinJobAge={LEAST_AGE_S} or more (the default is 300)")


def _section(name: str) -> str:
    return "cluster.measuring" if name in MEASURING else "cluster.others"


def _asked(own: Mapping[str, Any], name: str | None, nodes: Sequence[Node]) -> Request:
    """CPUs, memory and time of a rule, or of all that are not named, with `auto` worked out."""
    kind = "measuring" if name in MEASURING else "others"
    asked = {"cpus": 1, **own[kind], **own["rules"].get(name, {})}
    memory_mb = math.floor(SHARE * min(node.memory_mb for node in nodes))
    auto = {
        "cpus": min(node.cpus for node in nodes),
        "memory_gib": (memory_mb if kind == "measuring" else min(memory_mb, OTHERS_MB)) / 1024,
        "runtime_min": math.floor(min(MINUTES[kind], *(node.limit_min for node in nodes))),
    }
    settled = {key: auto[key] if asked[key] == "auto" else asked[key] for key in auto}
    return Request(settled["cpus"], round(1024 * settled["memory_gib"]), settled["runtime_min"])


def _check(request: Request, at: str, nodes: Sequence[Node]) -> None:
    """Invalid unless a node can meet the request as a whole."""
    limits = (
        ("cpus", request.cpus, lambda node: node.cpus, "{} CPUs"),
        ("memory_gib", request.memory_mb, lambda node: node.memory_mb, "{} MiB"),
        ("runtime_min", request.runtime_min, lambda node: node.limit_min, "{} min"),
    )
    partition = nodes[0].partition
    for key, asked, has, words in limits:
        most = max(map(has, nodes))
        if asked > most:
            told = (
                f"{words.format(asked)}, but no node of partition {partition} has more than {words.format(f'{most:g}')}"
            )
            raise Invalid(f"{at}.{key}", f"{told}; lower it, or name another partition")
    if not any(all(asked <= has(node) for _, asked, has, _ in limits) for node in nodes):
        told = f"no node of partition {partition} has {request.cpus} CPUs and {request.memory_mb} MiB"
        raise Invalid(at, f"{told}; lower cpus or memory_gib, or name another partition")


def _resources(request: Request) -> list[str]:
    return [f"mem_mb={request.memory_mb}", f"runtime={request.runtime_min}"]


def _where(own: Mapping[str, Any]) -> list[str]:
    """Partition and account as default resources."""
    return [f"slurm_{key}='{own[key]}'" for key in ("partition", "account") if own[key]]
