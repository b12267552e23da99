"""Run settings as the Snakemake rule passes them."""

from __future__ import annotations

from typing import Any


def order_settings(**changes: Any) -> dict[str, Any]:
    """Settings for greedy vLLM on the CPU at the base point with a KV budget of 0.25 MiB."""
    given = {
        "model": "tiny",
        "engine": "vllm",
        "workload": "some",
        "point": "base",
        "process": 1,
        "purpose": "measure",
        "repeats": 2,
        "sequential_requests": 2,
        "sampling": {"temperature": 0.0, "top_p": 1.0},
        "seed": 0,
        "max_length": 192,
        "kv_budget_mib": 0.25,
        "memory_fraction": 0.8,
        "block_size": 32,
        "kv_dtype": "auto",
        "cpu_threads": 1,
        "sample_period_s": 0.01,
        "dtype": "float32",
        "options": {},
        "device": "cpu",
        "gpus": 1,
        "prefix_sharing": False,
        "requests_per_s": None,
        "burstiness": 1.0,
        "read_blocks": True,
        "shared_gpu": False,
    }
    return given | changes
