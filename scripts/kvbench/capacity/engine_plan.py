"""What vLLM makes of a budget for KV cache at its start, predicted from the shape: blocks, tokens, concurrency.

As `get_kv_cache_config_from_groups` and `get_kv_cache_capacity` in
https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/v1/core/kv_cache_utils.py, and `max_memory_usage_bytes` of the
specifications in https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/v1/kv_cache_interface.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvbench.kv.groups import Groups, Paging, slot_elements, vllm_paging
from kvbench.kv.split import blocks_for

BATCHES_UNDER_WAY = {False: 1, True: 2}  # by asynchronous scheduling, which prepares a step while another runs


@dataclass(frozen=True)
class EnginePlan:
    """What vLLM logs at its start: blocks, "KV cache size" in tokens, "Maximum concurrency" in requests.

    One of the blocks is its null block, which vLLM counts too.
    """

    blocks: int
    size_tokens: int
    max_concurrency: float


def request_blocks(paging: Paging, block_size: int, max_length: int, in_flight_tokens: int) -> int:
    """Blocks in all tables that vLLM counts for one request of `max_length` tokens.

    A table with a window w is given ⌈(w − 1 + `in_flight_tokens`) / block_size⌉ + 1, since blocks return only when the
    tokens that are under way have been computed, and a window need not begin with a block.
    """
    blocks = 0
    for table in paging.groups:
        if table.window is None:
            blocks += int(blocks_for(max_length, block_size))
        else:
            blocks += int(blocks_for(min(table.window - 1 + in_flight_tokens, max_length), block_size)) + 1
    return blocks


def engine_plan(
    groups: Groups,
    itemsize: int,
    budget_bytes: int,
    *,
    block_size: int,
    max_length: int,
    max_num_batched_tokens: int,
    async_scheduling: bool,
) -> EnginePlan:
    """Predict what vLLM 0.32 logs for a budget on one GPU or CPU.

    Args:
        groups: what the model's layers cache for a token, in elements of `itemsize` bytes.
        budget_bytes: of all KV cache (vLLM's kv_cache_memory_bytes).
        block_size: tokens of a block.
        max_length: vLLM's max_model_len in tokens.
        max_num_batched_tokens: most tokens that a step computes.

    Raises:
        ValueError: layers cache tokens of different sizes (`vllm_paging`).
    """
    paging = vllm_paging(groups)
    block_bytes = block_size * paging.page_units * slot_elements(groups) * itemsize
    blocks = budget_bytes // block_bytes
    in_flight = BATCHES_UNDER_WAY[async_scheduling] * max_num_batched_tokens
    concurrency = blocks / request_blocks(paging, block_size, max_length, in_flight)
    return EnginePlan(blocks, int(concurrency * max_length), concurrency)
