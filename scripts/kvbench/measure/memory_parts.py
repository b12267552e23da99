"""Memory of an engine's processes by part, and their total as NVML or the kernel reports it."""

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
    """`parts` in bytes (None: unknown), the total of the processes, and the remainder that no part explains.

    `runtime` is what the process held before any model: on CUDA bare contexts, on a CPU the imported packages.
    `warm_reserved` is what torch had reserved at the end of the warm-up. `weights_source` says where the bytes of
    weights come from: tensors, or, if vLLM has repacked them outside torch on a CPU, the number of parameters times
    their size (`parameter_bytes`).
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
    """Bytes that our processes held on all GPUs together, by time of sample."""
    held: dict[int, int] = {}
    for sample in samples:
        if sample["process_bytes"]:
            held[sample["t_ns"]] = held.get(sample["t_ns"], 0) + sample["process_bytes"]
    return held


def _outside_when_warm(samples: list[dict[str, Any]], warm_reserved: Bytes) -> Bytes:
    """Bytes that our processes held outside torch's allocator at the end of the warm-up."""
    held = _over_gpus(s for s in samples if s["phase"].startswith(WARM_UP))
    return held[max(held)] - warm_reserved if held and warm_reserved is not None else None


def _host_parts(engine: dict[str, Any], runtime: Bytes) -> dict[str, Bytes]:
    """Torch's CPU allocator keeps no counters, so activations and slack stay in the unattributed remainder."""
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
    """Activations are the allocator's peak minus weights, KV pool and graph pools.

    Graphs use torch's private pools and memory of the driver, which only vLLM's capture measures (`graphs_measured`).
    `libraries` is the rest held outside torch at the end of the warm-up: kernels that CUDA loads on demand, workspaces
    and buffers, and for `hf-static-compiled` the driver's share of its graphs. Slack is the peak of reserved memory
    that no other part used; the peak, because the process's own figure is a peak too. Both peaks are those after the
    warm-up, which compiles and may reserve more than serving does.
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
    """Allocator slack: reserved - allocated - external fragmentation."""
    if engine["reserved"] is None:
        return None
    return engine["reserved"] - engine["allocated"] - engine["inactive_split"]
