"""Capacity plans, their default card, and the known model shapes."""

from __future__ import annotations

from typing import Any

from builders.places import SHAPES
from kvbench.capacity.shapes import read_shapes

KNOWN = read_shapes(SHAPES)
CARD = {"name": "80 GB", "memory_gib": 80, "memory_fraction": 0.9, "activation_reserve": 0.05}


def make_plan(**given: Any) -> dict[str, Any]:
    """A plan for 400 requests of at most 128 tokens with Llama-2 7B on one card."""
    plan = {
        "model": "llama-2-7b",
        "dtype": "float16",
        "card": CARD,
        "cards_per_model": 1,
        "workload": "mixed",
        "requests": 400,
        "max_length": 128,
        "block_size": 16,
        "max_running": 40,
        "max_step_tokens": 8192,
    }
    return {**plan, **given}
