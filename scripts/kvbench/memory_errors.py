"""Explain a MemoryError: memory is short, or a single allocation is larger than the machine's memory."""

from __future__ import annotations

import resource

SHORT = 0.1  # memory is short if less than this share of it is free


def describe_memory_error(error: MemoryError, details: str) -> str:
    """One line with the correction; `details` says where the traceback is.

    Reading a damaged file can end in a MemoryError too, if its first bytes are taken for a length of exabytes.
    """
    import psutil  # here, since every job imports this module

    memory = psutil.virtual_memory()
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if limited or memory.available < SHORT * memory.total:
        return "out of memory; lower kv_budget_mib or the workload's size in config.yaml"
    told = f" ({error})" if str(error) else ""
    free = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB are free"
    return f"a single allocation{told} exceeds the machine's memory, of which {free}; {details}"
