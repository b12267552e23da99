"""What vLLM logs at its start, by hand from its formulas."""

import pytest

from kvbench.capacity.engine_plan import engine_plan, request_blocks
from kvbench.kv.groups import LayerGroup, vllm_paging

LLAMA = (LayerGroup("full", 32, 2048),)
GEMMA = (LayerGroup("sliding", 52, 4096, 1024), LayerGroup("full", 10, 4096))
OSS = (LayerGroup("sliding", 18, 1024, 128), LayerGroup("full", 18, 1024))
MLA = (LayerGroup("mla", 61, 576),)
GIVEN = {"block_size": 16, "max_length": 8192, "max_num_batched_tokens": 2048}


def test_a_plain_model_has_the_tokens_of_its_blocks():
    plan = engine_plan(LLAMA, 2, 10 * 2**30, async_scheduling=False, **GIVEN)
    block = 16 * 32 * 2048 * 2
    assert plan.blocks == 10 * 2**30 // block == 5120
    assert plan.max_concurrency == 5120 / 512
    assert plan.size_tokens == 81_920


def test_a_part_of_a_block_holds_nothing():
    block = 16 * 32 * 2048 * 2
    assert engine_plan(LLAMA, 2, 7 * block - 1, async_scheduling=False, **GIVEN).blocks == 6


@pytest.mark.parametrize(("overlap", "blocks"), [(False, 6 * (192 + 1)), (True, 6 * (320 + 1))])
def test_a_window_is_given_what_is_under_way_too(overlap: bool, blocks: int):
    """Six tables of sliding layers: ceil((1023 + 2048 or 4096) / 16) + 1 blocks each, and 512 of the full layers."""
    plan = engine_plan(GEMMA, 2, 10 * 2**30, async_scheduling=overlap, **GIVEN)
    assert plan.blocks == 10 * 2**30 // (16 * 10 * 4096 * 2)
    assert plan.max_concurrency == plan.blocks / (blocks + 512)
    assert plan.size_tokens == int(8192 * plan.max_concurrency)


def test_a_window_is_given_no_more_than_the_longest_request_and_a_block():
    assert request_blocks(vllm_paging(OSS), 16, 100, 8192) == (7 + 1) + 7


def test_a_latent_vector_is_cached_once_a_layer():
    plan = engine_plan(MLA, 2, 2**30, block_size=64, max_length=640, max_num_batched_tokens=64, async_scheduling=True)
    assert plan.blocks == 2**30 // (64 * 61 * 576 * 2)
    assert plan.max_concurrency == plan.blocks / 10


def test_layers_with_tokens_of_different_sizes_are_not_planned():
    mixed = (LayerGroup("full", 1, 8), LayerGroup("sliding", 1, 16, 4))
    with pytest.raises(ValueError, match="different sizes"):
        engine_plan(mixed, 2, 2**20, async_scheduling=False, **GIVEN)
