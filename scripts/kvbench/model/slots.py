"""Bytes of a slot, the unit in which a KV cache is counted, and of a token."""

from __future__ import annotations

from kvbench.errors import UserError
from kvbench.kv.groups import slot_elements, token_elements
from kvbench.model.record import Architecture

# Number types of a KV cache that vLLM offers beside the model's own, whose elements have a whole number of bytes and no
# scales beside them.
KV_DTYPES = {"float16": 2, "bfloat16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
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


def cache_itemsize(kv_dtype: str, dtype: str) -> int:
    """Bytes of one element of the KV cache of a model in `dtype`; `auto` is the model's own."""
    if kv_dtype == "auto":
        return itemsize(dtype)
    if kv_dtype not in KV_DTYPES:
        raise UserError(f"config.yaml: kv_dtype: {kv_dtype!r} is unknown; use one of auto, {', '.join(KV_DTYPES)}")
    return KV_DTYPES[kv_dtype]


def slot_bytes(architecture: Architecture, itemsize: int) -> int:
    """Bytes of one slot: with one KV group, room for one token in every layer; with several, in one layer.

    For a model with full attention in every layer: 2 (K and V) · layers · KV heads · head size · bytes an element.
    """
    return slot_elements(architecture.groups) * itemsize


def token_bytes(architecture: Architecture, itemsize: int) -> int:
    """Bytes that one token takes in all layers, while it is in the window of each."""
    return token_elements(architecture.groups) * itemsize
