"""Recognise a batch that does not fit into the device's memory."""

from __future__ import annotations

# Torch's CPU allocator raises a plain RuntimeError with this word in its message.
CPU_ALLOCATOR = "DefaultCPUAllocator"


class OutOfMemory(Exception):
    """A batch of `rows` rows did not fit into the device's memory, which has been released again."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"a batch of {rows} rows did not fit into the device's memory")
        self.rows = rows


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch ran out of memory."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and CPU_ALLOCATOR in str(error)
    )
