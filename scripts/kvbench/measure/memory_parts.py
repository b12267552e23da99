"""Memory by part of one engine's processes, against what NVML or the kernel says they hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kvbench.measure.passes import WARM_UP

Bytes = int | None


def memory_parts(
    engine: dict[str, Any],
    runtime: Bytes,
    samples: list[dict[str, Any]],
    device: str,
    parameter_bytes: int,
    warm_reserved: Bytes = None,
) -> dict[str, Any]:
    """`parts` in bytes (None: not known here), the process's own figure, and what the parts leave over.

    `runtime` is what the process held before any model: on CUDA bare contexts, on a CPU the imported packages.
    `warm_reserved` is what torch had reserved when the warm-up ended. `weights_source` tells whether the weights were
    read from tensors; vLLM repacks a CPU's weights outside torch, and then the model's parameters times their size
    (`parameter_bytes`) stand in.
    """
    packed = engine["weights"] < parameter_bytes
    engine = {**engine, "weights": max(engine["weights"], parameter_bytes)}
    if device == "cpu":
        parts = _host_parts(engine, runtime)
        process = max((s["host_rss_bytes"] for s in samples if _serving(s)), default=None)
    else:
        outside = _outside_when_warm(samples, warm_reserved)
        parts = _cuda_parts(engine, runtime, outside)
        process = max(_over_gpus(s for s in samples if _serving(s)).values(), default=None)
    known = sum(part for part in parts.values() if part is not None)
    return {
        "parts": parts,
        "weights_source": "parameters" if packed else "tensors",
        "process_bytes": process,
        "process_source": "resident set" if device == "cpu" else "NVML",
        "unattributed_bytes": None if process is None else process - known,
        "external_fragmentation_bytes": engine["inactive_split"],
        "allocator_slack_bytes": _slack(engine),
    }


def _serving(sample: dict[str, Any]) -> bool:
    return sample["phase"].startswith("repeat-")


def _over_gpus(samples: Iterable[dict[str, Any]]) -> dict[int, int]:
    """What our processes held on all GPUs together, by the time of the sample."""
    held: dict[int, int] = {}
    for sample in samples:
        if sample["process_bytes"]:
            held[sample["t_ns"]] = held.get(sample["t_ns"], 0) + sample["process_bytes"]
    return held


def _outside_when_warm(samples: list[dict[str, Any]], warm_reserved: Bytes) -> Bytes:
    """What our processes held outside torch's allocator when the warm-up ended."""
    held = _over_gpus(s for s in samples if s["phase"].startswith(WARM_UP))
    return held[max(held)] - warm_reserved if held and warm_reserved is not None else None


def _host_parts(engine: dict[str, Any], runtime: Bytes) -> dict[str, Bytes]:
    """A CPU allocator keeps no counters: activations and slack are part of the rest."""
    return {
        "runtime": runtime,
        "weights": engine["weights"],
        "kv_pool": engine["kv_pool"],
        "activations_peak": None,
        "cuda_graphs": None,
        "libraries": None,
        "allocator_slack": None,
    }


def _cuda_parts(engine: dict[str, Any], runtime: Bytes, outside: Bytes) -> dict[str, Bytes]:
    """Activations are the allocator's peak beside the other parts.

    Graphs take torch's private pools and, beyond them, memory of the driver that only their capture shows
    (`graphs_measured`, of vLLM). What else was held outside torch when the warm-up ended are the libraries' kernels,
    which CUDA loads as they are needed, workspaces and buffers, and of `hf-static-compiled` the driver's share of its
    graphs. Slack is what torch reserved at most, as the process's own figure is its peak, and none of this used.
    Both peaks are of what came after the warm-up, which compiles and may reserve more than serving does.
    """
    held = engine["weights"] + engine["kv_pool"] + engine["graph_pools"]
    activations = max(engine["peak_allocated"] - held, 0)
    graphs = max(engine["graph_pools"], engine.get("graphs_measured") or 0)
    known = None if runtime is None else runtime + graphs - engine["graph_pools"]
    return {
        "runtime": runtime,
        "weights": engine["weights"],
        "kv_pool": engine["kv_pool"],
        "activations_peak": activations,
        "cuda_graphs": graphs,
        "libraries": None if outside is None or known is None else max(outside - known, 0),
        "allocator_slack": engine["peak_reserved"] - held - activations,
    }


def _slack(engine: dict[str, Any]) -> Bytes:
    """Allocator slack by its definition: reserved - allocated - external fragmentation."""
    if engine["reserved"] is None:
        return None
    return engine["reserved"] - engine["allocated"] - engine["inactive_split"]
