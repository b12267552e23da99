"""A configuration overlay for copies of the project: the tiny model as a shape and one user-file workload."""

from __future__ import annotations

from typing import Any

import yaml

SHAPE = {
    "model_type": "llama",
    "layers": 2,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 32,
    "hidden_size": 128,
    "intermediate_size": 128,
    "vocab_size": 512,
    "max_position_embeddings": 128,
}


def tiny_overlay(file: str, max_length: int = 128, **options: Any) -> str:
    """Return YAML that runs hf-batch and vllm on workload `mine` of model `tiny`; `options` apply to the workload."""
    run = {"models": ["tiny"], "workloads": ["mine"], "engines": ["hf-batch", "vllm"]}
    sections = {
        "device": "cpu",
        "repeats": 1,
        "capacity": {},
        "replays": {},
        "models": {"smollm2-135m": None, "tiny": {"source": "shape", "dtype": "float32", "shape": SHAPE}},
        "workloads": {"mine": {"kind": "user", "file": file, **options}},
        "runs": [{**run, "max_length": max_length, "kv_budget_mib": 1}],
    }
    return yaml.safe_dump(sections)
