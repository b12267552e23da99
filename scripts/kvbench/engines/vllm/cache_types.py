"""Number types and head sizes that vLLM's cache cannot have. On a CPU its kernel is asked before an engine loads."""

from __future__ import annotations

import logging
from functools import cache

from kvbench.engines.base import EngineSettings
from kvbench.engines.out_of_memory import is_out_of_memory
from kvbench.errors import UserError

log = logging.getLogger(__name__)

AUTO = "auto"
LARGEST_HEAD = 512


def refuse_cpu_cache(settings: EngineSettings, head_size: int, *, latent: bool) -> None:
    """UserError for a number type or a head size that the kernel does not take; an engine would fail at its first step.

    Args:
        head_size: elements of a head, or of the latent vector.
        latent: whether the cache is one of latent vectors (MLA), for which vLLM has kernels of its own.
    """
    kv_dtype, dtype = settings.kv_dtype, settings.dtype
    if kv_dtype in (AUTO, dtype):
        if not latent and _problem(dtype, AUTO, head_size, settings.block_size):
            raise UserError(_head_size(settings, head_size))
        return
    if latent:
        raise _refused(settings, "its latent cache (MLA) stays in the model's own type")
    if not kv_dtype.startswith("fp8"):
        # vLLM 0.32 would load, and write elements of the model's type into places of the cache's.
        raise _refused(settings, f"the kernel writes {dtype}, the model's type, whatever the type of the cache")
    if problem := _problem(dtype, kv_dtype, head_size, settings.block_size):
        raise _refused(settings, problem)


def refuse_kv_dtype(settings: EngineSettings, error: Exception) -> None:
    """Turn an error while loading into a UserError if the cache has a number type of its own; return if it has not."""
    if settings.kv_dtype == AUTO or is_out_of_memory(error):
        return
    log.error("%s did not load with kv_dtype %s", settings.engine, settings.kv_dtype, exc_info=error)
    told = str(error).strip().splitlines() or [type(error).__name__]
    raise UserError(
        f"config.yaml: kv_dtype: {settings.kv_dtype}: vLLM does not load the model in {settings.model_path} in "
        f"{settings.dtype} with it ({told[0].rstrip('.')}); write auto, or give the model another dtype: fp8 goes with "
        "bfloat16"
    ) from error


def _refused(settings: EngineSettings, why: str) -> UserError:
    own = "" if settings.kv_dtype.startswith("fp8") else " or fp8"
    return UserError(
        f"config.yaml: kv_dtype: {settings.kv_dtype}: vLLM cannot keep the cache of the model in {settings.model_path} "
        f"in it on this CPU: {why}; write auto{own}"
    )


def _head_size(settings: EngineSettings, head_size: int) -> str:
    sizes = [
        size for size in range(8, LARGEST_HEAD + 1, 8) if not _problem(settings.dtype, AUTO, size, settings.block_size)
    ]
    possible = f"possible are {', '.join(map(str, sizes))}" if sizes else "nor any other in this number type"
    return (
        f"config.yaml: models: a head of the model in {settings.model_path} has {head_size} elements (head_dim of a "
        f"shape), which vLLM's attention on a CPU does not take, {possible}; use another model, or remove "
        f"{settings.engine} from its runs"
    )


@cache
def _problem(dtype: str, kv_dtype: str, head_size: int, block_size: int) -> str | None:
    """Why the kernel cannot store a token of one head, in its own words; None if it can."""
    import torch
    from vllm import _custom_ops as ops
    from vllm.v1.attention.backends.cpu_attn import _get_attn_isa

    number = getattr(torch, dtype)
    kept = torch.uint8 if kv_dtype.startswith("fp8") else number
    keys, values = (torch.zeros(1, 1, block_size, head_size, dtype=kept) for _ in range(2))
    token = torch.ones(1, 1, head_size, dtype=number)
    try:
        kernel = _get_attn_isa(number, block_size, head_size, kv_dtype)
        place = torch.zeros(1, dtype=torch.int64)
        ops.cpu_attn_reshape_and_cache(token, token, keys, values, place, kernel, kv_cache_dtype=kv_dtype)
    except (NotImplementedError, RuntimeError) as error:
        return str(error).splitlines()[0].rstrip(".")
    return None
