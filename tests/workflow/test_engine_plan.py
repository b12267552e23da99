"""What vLLM logs at its start equals the plan: blocks, tokens and concurrency of each kind of KV groups."""

from __future__ import annotations

import pytest
from builders.kv_group_models import SHAPES

from kvbench.capacity.engine_plan import engine_plan


@pytest.mark.parametrize("name", SHAPES)
def test_vllm_logs_what_is_planned(kv_groups_served: dict[str, tuple], name: str) -> None:
    """Steps of fewer tokens than a request may have, so that layers with a window need blocks for less than that."""
    settings, *_, found = kv_groups_served[f"{name}@vllm"]
    plan = engine_plan(
        settings.groups,
        settings.kv_itemsize,
        (settings.budget_blocks + 1) * settings.block_bytes,
        block_size=settings.block_size,
        max_length=settings.max_length,
        max_num_batched_tokens=found["max_num_batched_tokens"],
        async_scheduling=found["async_scheduling"],
    )
    keys = ("num_gpu_blocks", "kv_cache_size_tokens", "kv_cache_max_concurrency")
    assert tuple(found[key] for key in keys) == (plan.blocks, plan.size_tokens, plan.max_concurrency)
