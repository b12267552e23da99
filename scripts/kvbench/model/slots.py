"""Bytes of a slot: room for one token's K and V in every layer."""

from __future__ import annotations

from kvbench.errors import UserError
from kvbench.model.record import Architecture

ITEMSIZE = {"float32": 4, "bfloat16": 2, "float16": 2}
AUTO_DTYPE = {"cpu": "float32", "cuda": "bfloat16"}


def itemsize(dtype: str) -> int:
    """Bytes of one element of `dtype` (float32, bfloat16 or float16)."""
    if dtype not in ITEMSIZE:
        raise UserError(f"dtype {dtype}: unknown; use one of auto, {', '.join(ITEMSIZE)}")
    return ITEMSIZE[dtype]


def resolve_dtype(dtype: str | None, device: str) -> str:
    """The element type in force: `auto` and None mean float32 on a CPU, bfloat16 on CUDA.

    Args:
        dtype: as configured.
        device: `cpu`, `cuda` or `cuda:<n>`.
    """
    kind = device.split(":")[0]
    if kind not in AUTO_DTYPE:
        raise UserError(f"device {device}: unknown; use cpu or cuda")
    if dtype is None or dtype == "auto":
        return AUTO_DTYPE[kind]
    itemsize(dtype)
    return dtype


def slot_bytes(architecture: Architecture, itemsize: int) -> int:
    """Bytes of one slot: 2 (K and V) · layers · KV heads · head size · bytes an element."""
    return 2 * architecture.layers * architecture.kv_heads * architecture.head_dim * itemsize
