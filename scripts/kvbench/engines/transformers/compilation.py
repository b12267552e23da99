"""Compiled decoding: what torch has compiled in this process, and whether CUDA graphs were skipped."""

from __future__ import annotations

from typing import Any


def compiled_so_far() -> dict[str, Any]:
    """Seconds and counts since the process began: `graphs` must not grow once the warm-up is over."""
    from torch._dynamo import utils

    times = utils.compilation_time_metrics.get("_compile.compile_inner", [])
    return {
        "compile_s": sum(times),
        "graphs": utils.counters["stats"].get("unique_graphs", 0),
        "cuda_graph_skips": utils.counters["inductor"].get("cudagraph_skips", 0),
    }
