"""A batch that the device's memory does not hold, told apart from other failures."""

from __future__ import annotations

# The CPU's allocator raises a plain RuntimeError.
CPU_ALLOCATOR = "DefaultCPUAllocator"


class OutOfMemory(Exception):
    """A batch of `rows` rows did not fit into the device's memory; nothing of it is left there."""

    def __init__(self, rows: int) -> None:
        super().__init__(f"a batch of {rows} did not fit into the device's memory")
        self.rows = rows


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch failed for want of memory."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and CPU_ALLOCATOR in str(error)
    )
