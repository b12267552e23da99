"""The attention kernels that vLLM chose, and the block size that they work with.

vLLM may split its scheduler's blocks into smaller ones for a kernel that takes only some sizes, such as FlashInfer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kvbench.engines.base import EngineSettings
from kvbench.engines.names import ONE_BLOCK
from kvbench.errors import UserError

Kernel = tuple[str, int | None]


def kernels_of(runner: Any) -> list[Kernel]:
    """Name and block size of a worker's attention kernels, one for each group of layers; empty if unknown.

    Both model runners (`worker/gpu_model_runner.py` and `worker/gpu/model_runner.py` of vLLM, and those for CPUs) keep
    groups of layers with the builders of their kernels' metadata. A builder has the kernel's own block size.
    """
    groups = [group for groups in getattr(runner, "attn_groups", ()) for group in groups]
    builders = [(group, builder) for group in groups for builder in group.metadata_builders]
    return [(group.backend.get_name(), _block_size(builder)) for group, builder in builders]


def _block_size(builder: Any) -> int | None:
    return getattr(getattr(builder, "kv_cache_spec", None), "block_size", None)


def in_words(workers: Sequence[Sequence[Kernel]]) -> dict[str, Any]:
    """Kernels of all workers as settings in force: their names, and the smallest block size; None if unknown."""
    kernels = [kernel for worker in workers for kernel in worker]
    sizes = [size for _, size in kernels]
    return {
        "attention_kernels": sorted({name for name, _ in kernels}) or None,
        "kernel_block_size": min(sizes) if sizes and None not in sizes else None,
    }


def refuse_split_blocks(settings: EngineSettings, kernel_block_size: int | None) -> None:
    """UserError if the kernel of an engine with one block a request sees several: its cache would be paged."""
    if settings.engine not in ONE_BLOCK or kernel_block_size == settings.block_size:
        return
    found = "does not report the block size of its attention kernel"
    if kernel_block_size is not None:
        found = f"splits them into {kernel_block_size} tokens for its attention kernel"
    raise UserError(
        f"config.yaml: runs: {settings.engine} needs blocks of {settings.block_size} tokens, one for a request, but "
        f"vLLM {found}, so that the cache may be paged; set attention_backend of all vLLM engines in engines to one "
        f"that takes such blocks (FLASH_ATTN on CUDA), or remove {settings.engine}"
    )
