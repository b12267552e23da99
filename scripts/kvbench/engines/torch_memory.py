"""Bytes that torch knows: storages of tensors and the CUDA allocator's counters."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the distinct storages behind some tensors."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def model_bytes(model: torch.nn.Module) -> int:
    """Bytes of a model's parameters and buffers, shared ones once."""
    return storage_bytes([*model.parameters(), *model.buffers()])


def allocator_bytes() -> dict[str, int | None]:
    """Torch's CUDA allocator in this process; None on a CPU, whose allocator keeps no such counters."""
    names = ("allocated", "reserved", "peak_allocated", "inactive_split", "graph_pools")
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return dict.fromkeys(names)
    stats = torch.cuda.memory_stats()
    graphs = [s for s in torch.cuda.memory_snapshot() if tuple(s["segment_pool_id"]) != (0, 0)]
    values = (
        stats["allocated_bytes.all.current"],
        stats["reserved_bytes.all.current"],
        stats["allocated_bytes.all.peak"],
        stats["inactive_split_bytes.all.current"],
        sum(segment["total_size"] for segment in graphs),
    )
    return dict(zip(names, values, strict=True))


def reset_allocator_peak() -> None:
    """Begin a new peak on CUDA; nothing to do elsewhere."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
