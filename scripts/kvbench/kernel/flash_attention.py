"""The attention kernel that vLLM calls, on the tensors of a shape (vllm/v1/attention/backends/flash_attn.py).

Arguments are those of vLLM's own call: FlashAttention 3 gets the schedule that vLLM computes once a step for all
layers, and at most as many splits as a decode step in a CUDA graph may have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from kvbench.engines.imports import importing
from kvbench.engines.vllm.arguments import load_no_plugins
from kvbench.kernel.forms import Form
from kvbench.kernel.reference import scale
from kvbench.kernel.shapes import PREFILL, Heads
from kvbench.kernel.tensors import Cache, Tensors

BACKENDS = ("FLASH_ATTN", "FLASH_ATTN_MLA")


@dataclass(frozen=True)
class Kernel:
    """vLLM's attention backend for a head layout, and the version of FlashAttention that it calls."""

    backend: str
    version: int

    @property
    def takes_rows(self) -> bool:
        """Whether it takes [batch, row, heads, dimension] without a block table; version 2 does not."""
        return self.version == 3


def kernel_of(heads: Heads, dtype: torch.dtype) -> Kernel | str:
    """The kernel that vLLM would use on this GPU; a reason if it is not FlashAttention."""
    load_no_plugins()
    with importing():
        from vllm.config import VllmConfig, set_current_vllm_config
        from vllm.v1.attention.backends.fa_utils import get_flash_attn_version
        from vllm.v1.attention.selector import get_attn_backend

    dim = heads.key_dim if heads.latent else heads.value_dim
    with set_current_vllm_config(VllmConfig()):
        try:
            name = get_attn_backend(dim, dtype, None, use_mla=heads.latent, num_heads=heads.query_heads).get_name()
        except (ValueError, NotImplementedError) as error:
            return f"vLLM has no attention backend for it here ({error})"
        version = get_flash_attn_version(head_size=None if heads.latent else dim)
    if name not in BACKENDS or version is None:
        return f"vLLM uses {name} here, whose kernel is not measured: only FlashAttention's takes all forms"
    return Kernel(name, version)


def call_of(kernel: Kernel, tensors: Tensors, form: Form) -> Callable[[], torch.Tensor]:
    """A call of the kernel on one form, which writes to and returns `tensors.out`."""
    from vllm.vllm_flash_attn import flash_attn_varlen_func

    cache = tensors.cache(form)
    given = {**_queries_and_cache(tensors, cache), **_lengths(tensors, cache), **_schedule(kernel, tensors, form)}
    given |= {"causal": True, "softmax_scale": scale(tensors), "fa_version": kernel.version, "out": tensors.out}
    return lambda: flash_attn_varlen_func(**given)


def _queries_and_cache(tensors: Tensors, cache: Cache) -> dict[str, Any]:
    """Q, K and V; for MLA the kernel gets the latent part of the query apart and computes both scores."""
    heads = tensors.shape.heads
    if not heads.latent:
        return {"q": tensors.queries, "k": cache.keys, "v": cache.values}
    return {
        "q": tensors.queries[..., heads.value_dim :].contiguous(),
        "k": cache.keys[..., heads.value_dim :],
        "v": cache.values,
        "q_v": tensors.queries[..., : heads.value_dim].contiguous(),
    }


def _lengths(tensors: Tensors, cache: Cache) -> dict[str, Any]:
    """Where sequences begin and end, by offsets into packed tokens or by length and block table."""
    asked = {
        "cu_seqlens_q": tensors.offsets(tensors.query_lengths),
        "max_seqlen_q": int(tensors.query_lengths.max()),
        "max_seqlen_k": int(tensors.lengths.max()),
    }
    if cache.keys.ndim == 3:
        return asked | {"cu_seqlens_k": tensors.offsets(tensors.lengths)}
    return asked | {"seqused_k": tensors.counts(), "block_table": cache.table}


def _schedule(kernel: Kernel, tensors: Tensors, form: Form) -> dict[str, Any]:
    """FlashAttention 3's schedule, computed ahead, and the limit of splits; other versions have neither."""
    if kernel.version != 3:
        return {}
    from vllm.config.attention import AttentionConfig
    from vllm.vllm_flash_attn import get_scheduler_metadata

    heads, shape = tensors.shape.heads, tensors.shape
    splits = 0 if shape.phase == PREFILL else AttentionConfig().flash_attn_max_num_splits_for_cuda_graph
    metadata = get_scheduler_metadata(
        batch_size=shape.batch,
        max_seqlen_q=int(tensors.query_lengths.max()),
        max_seqlen_k=int(tensors.lengths.max()),
        num_heads_q=heads.query_heads,
        num_heads_kv=heads.kv_heads,
        headdim=heads.rope_dim if heads.latent else heads.value_dim,
        headdim_v=heads.value_dim,
        cache_seqlens=tensors.counts(),
        qkv_dtype=tensors.pool.dtype,
        cu_seqlens_q=tensors.offsets(tensors.query_lengths),
        page_size=form.page_tokens,
        causal=True,
        num_splits=splits,
    )
    return {"scheduler_metadata": metadata, "num_splits": splits}
