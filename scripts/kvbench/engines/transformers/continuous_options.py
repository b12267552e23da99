"""Options of Transformers' continuous batching: the user's, kvbench's defaults, and those that kvbench fixes."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from kvbench.engines.base import EngineSettings
from kvbench.errors import UserError

SECTOR_ALIGNMENT = 128  # bytes
# SDPA computes attention between all tokens of a step and all tokens that the step reads, with a mask allocated for the
# largest step. Large steps therefore cost more than they save, but on CUDA small ones make prefills wait for launches.
STEP_TOKENS = {"cpu": 512, "cuda": 2048}


def batching_options(settings: EngineSettings) -> dict[str, Any]:
    """All options of continuous batching. UserError where the user sets one that kvbench fixes."""
    known, fixed = known_options(), _fixed(settings)
    theirs = {name: value for name, value in settings.options.items() if name in known}
    for name in theirs:
        if name in fixed:
            raise UserError(f"config.yaml: engines.hf-continuous.{name}: kvbench sets this option itself; remove it")
    return _defaults(settings) | fixed | theirs


def known_options() -> set[str]:
    """Names of the options of continuous batching; all others go to `from_pretrained`."""
    from transformers import ContinuousBatchingConfig

    return {field.name for field in fields(ContinuousBatchingConfig)}


def _fixed(settings: EngineSettings) -> dict[str, Any]:
    """Options that the budget and the accounting require."""
    from kvbench.engines.transformers.scheduler import register

    return {
        "page_size": settings.block_size,
        "num_blocks": whole_blocks(settings),
        "allow_block_sharing": settings.prefix_sharing,
        "use_async_batching": False,  # it schedules a request once more before seeing that it has finished
        "cpu_offload_space": 0.0,  # a second pool outside the budget
        "scheduler_type": register(),
    }


def whole_blocks(settings: EngineSettings) -> int:
    """Blocks of all layers of the model, in which the library takes the size of its pool, that the budget holds.

    The library makes whole sectors of them, each of which a kind of layers can divide into blocks of its own.
    """
    block_bytes = [group.pages * settings.block_bytes for group in settings.paging.groups]
    if len(block_bytes) == 1:
        return settings.budget_blocks
    sector_bytes = math.lcm(*block_bytes, SECTOR_ALIGNMENT)
    return settings.budget_bytes // sector_bytes * sector_bytes // sum(block_bytes)


def _defaults(settings: EngineSettings) -> dict[str, Any]:
    """Options that the user may override."""
    return {
        "max_batch_tokens": max(settings.max_length, STEP_TOKENS[settings.device]),
        "auto_switch_to_flash": False,
        "drop_unsupported_processors": False,
        "seed": settings.seed,
    }
