"""The block size of vLLM's attention kernels, and that one block a request is not split for them."""

from types import SimpleNamespace

import pytest
from builders.engine_settings import engine_settings

from kvbench.engines.vllm.kernels import in_words, kernels_of, refuse_split_blocks
from kvbench.errors import UserError

CONTIGUOUS = engine_settings("vllm-contiguous", max_length=96, block_size=96)


def group(name: str, *sizes: int | None) -> SimpleNamespace:
    """A group of layers as vLLM's model runners keep it, with a metadata builder for each size."""
    builders = [SimpleNamespace(kv_cache_spec=SimpleNamespace(block_size=size)) for size in sizes]
    return SimpleNamespace(backend=SimpleNamespace(get_name=lambda: name), metadata_builders=builders)


def test_the_size_is_that_of_the_kernels_builder():
    runner = SimpleNamespace(attn_groups=[[group("FLASHINFER", 64)], [group("FLASH_ATTN", 16, 16)]])
    assert kernels_of(runner) == [("FLASHINFER", 64), ("FLASH_ATTN", 16), ("FLASH_ATTN", 16)]


def test_the_smallest_block_of_any_worker_counts():
    workers = [[("CPU_ATTN", 96)], [("CPU_ATTN", 96), ("FLASHINFER", 32)]]
    assert in_words(workers) == {"attention_kernels": ["CPU_ATTN", "FLASHINFER"], "kernel_block_size": 32}


@pytest.mark.parametrize(
    "runner",
    [
        SimpleNamespace(),
        SimpleNamespace(attn_groups=[]),
        SimpleNamespace(attn_groups=[[group("X", 96), group("X", None)]]),
    ],
)
def test_a_size_that_vllm_does_not_tell_is_unknown(runner: SimpleNamespace):
    assert in_words([kernels_of(runner)])["kernel_block_size"] is None


def test_a_block_that_is_split_for_the_kernel_is_refused():
    with pytest.raises(UserError) as error:
        refuse_split_blocks(CONTIGUOUS, 32)
    assert str(error.value) == (
        "config.yaml: runs: vllm-contiguous needs blocks of 96 tokens, one for a request, but vLLM splits them into 32 "
        "tokens for its attention kernel, so that the cache may be paged; set attention_backend of all vLLM engines in "
        "engines to one that takes such blocks (FLASH_ATTN on CUDA), or remove vllm-contiguous"
    )


def test_a_kernel_of_unknown_block_size_is_refused():
    with pytest.raises(UserError, match=r"but vLLM does not report the block size of its attention kernel, so that"):
        refuse_split_blocks(CONTIGUOUS, None)


@pytest.mark.parametrize("size", [None, 16, 32])
def test_engines_that_page_take_any_kernel(size: int | None):
    refuse_split_blocks(engine_settings("vllm-reserved", max_length=96), size)
    refuse_split_blocks(CONTIGUOUS, 96)
