"""What a MemoryError means: too little memory, or a request that no memory could meet."""

from __future__ import annotations

import resource

SHORT = 0.1  # of the machine's memory free: less than that is short


def describe_memory_error(error: MemoryError, details: str) -> str:
    """One line with the mend; `details` says where the traceback is.

    A damaged file whose first bytes are read as a length asks for exabytes, and Python answers with the same error.
    """
    import psutil  # here, since every job imports this module

    memory = psutil.virtual_memory()
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    if limited or memory.available < SHORT * memory.total:
        return "out of memory; lower kv_budget_mib or the workload's size in config.yaml"
    told = f" ({error})" if str(error) else ""
    free = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB are free"
    return f"more memory was asked for at once than the machine has{told}, while {free}; {details}"
