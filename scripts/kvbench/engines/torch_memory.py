"""Bytes as torch counts them: storages of tensors and the CUDA allocator's counters."""

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
    """Counters of torch's CUDA allocator in this process, summed over all GPUs; None on a CPU, which has none."""
    names = ("allocated", "reserved", "peak_allocated", "peak_reserved", "inactive_split", "graph_pools")
    if not (torch.cuda.is_available() and torch.cuda.is_initialized()):
        return dict.fromkeys(names)
    graphs = [s for s in torch.cuda.memory_snapshot() if tuple(s["segment_pool_id"]) != (0, 0)]
    values = (
        _over_devices("allocated_bytes.all.current"),
        _over_devices("reserved_bytes.all.current"),
        _over_devices("allocated_bytes.all.peak"),
        _over_devices("reserved_bytes.all.peak"),
        _over_devices("inactive_split_bytes.all.current"),
        sum(segment["total_size"] for segment in graphs),
    )
    return dict(zip(names, values, strict=True))


def _over_devices(name: str) -> int:
    """A counter of this process's allocator, summed over the GPUs; a GPU that it never used counts 0."""
    return sum(torch.cuda.memory_stats(device).get(name, 0) for device in range(torch.cuda.device_count()))


def reset_allocator_peak() -> None:
    """Reset the allocator's peaks on CUDA; do nothing on a CPU."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)
