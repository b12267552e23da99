"""The machine, the packages and peculiarities of the runs, as the report words them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kvbench.analysis.results import Run
from kvbench.report.cells import NONE


def machine_facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """The machine in a few lines, from environment.json."""
    cpu = environment.get("cpu") or {}
    gpus = [gpu["name"] for gpu in environment.get("gpus") or []]
    facts = {
        "Device chosen": environment.get("device"),
        "CPU": cpu.get("model"),
        "CPUs usable": f"{cpu.get('cpus_usable', NONE)} of {cpu.get('cpus', NONE)}",
        "Instruction sets": " ".join(cpu.get("instruction_sets") or []),
        "Memory": f"{environment['memory_total_bytes'] / 2**30:.1f} GiB"
        if "memory_total_bytes" in environment
        else None,
        "GPUs": ", ".join(counted(gpus)) or "none",
        "Driver": (environment.get("nvml") or {}).get("driver"),
        "Python": (environment.get("python") or {}).get("version"),
    }
    return {name: value for name, value in facts.items() if value}


def counted(names: Sequence[str]) -> list[str]:
    """The names, each once with its number."""
    return [f"{names.count(name)} × {name}" for name in dict.fromkeys(names)]


def device(environment: Mapping[str, Any], runs: Sequence[Run] = ()) -> str:
    """What the engines ran on, in a few words; of given runs also how many of the machine's GPUs each had."""
    facts = machine_facts(environment)
    if environment.get("device") != "cuda":
        return facts.get("CPU", "this machine's CPU")
    return each_had(environment, runs) + facts["GPUs"]


def each_had(environment: Mapping[str, Any], runs: Sequence[Run]) -> str:
    """`one of `, or as many as each run had, before the names of the machine's GPUs; empty if the runs had them all."""
    had = sorted({run.record.get("gpus") or 1 for run in runs})
    if not had or had[0] >= len(environment.get("gpus") or []):
        return ""
    return f"{' or '.join('one' if number == 1 else str(number) for number in had)} of "


def several_hosts(runs: Sequence[Run]) -> list[str]:
    """The ids of the hosts of the runs if there are several."""
    return _several(place.host for run in runs for place in run.places)


def several_gpus(runs: Sequence[Run]) -> list[str]:
    """The ids of the GPUs of the runs, where these took turns on several GPUs of one host."""
    return [] if several_hosts(runs) else _several(place.gpu_ids for run in runs for place in run.places)


def _several(found: Iterable[str | None]) -> list[str]:
    named = list(dict.fromkeys(filter(None, found)))
    return named if len(named) > 1 else []


def packages(environment: Mapping[str, Any]) -> dict[str, str]:
    """Versions by name, of the packages that are installed."""
    found = environment.get("packages") or {}
    return {name: facts["version"] for name, facts in sorted(found.items()) if facts}


def unequal_slots(runs: Sequence[Run]) -> list[str]:
    """A sentence for each model and workload whose engines need different numbers of bytes per token."""
    told = []
    for model, workload in dict.fromkeys((run.model, run.workload) for run in runs):
        own = [run for run in runs if (run.model, run.workload) == (model, workload)]
        engines: dict[int, dict[str, None]] = {}
        for run in own:
            engines.setdefault(run.record["slot_bytes"], {}).setdefault(run.engine)
        if len(engines) > 1 and len({run.record["dtype"] for run in own}) == 1:
            sizes = "; ".join(f"{', '.join(names)}: {size:,}" for size, names in engines.items())
            told.append(f"{model}, {workload}: the libraries store different KV heads, in bytes a token: {sizes}.")
    return told
