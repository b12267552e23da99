"""Fully resolved engine settings."""

from __future__ import annotations

from typing import Any

from kvbench.engines.base import EngineSettings
from kvbench.kv.groups import FULL, LayerGroup


def engine_settings(engine: str = "hf-batch", **changes: Any) -> EngineSettings:
    """Settings for greedy decoding on the CPU with 6,400 one-byte slots and no model; `changes` override them.

    `slot_bytes` stands for one group of full attention with slots of that size.
    """
    given = {
        "model_path": "",
        "random_weights": False,
        "dtype": "float32",
        "device": "cpu",
        "threads": 1,
        "max_length": 96,
        "budget_bytes": 6400,
        "groups": (LayerGroup(FULL, 1, changes.pop("slot_bytes", 1)),),
        "kv_itemsize": 1,
        "block_size": 32,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": 0,
    }
    return EngineSettings(engine=engine, **given | changes)
