"""The number of threads of an engine; set before torch loads, because OpenMP reads it only once."""

from __future__ import annotations

import os

from kvbench.machine.limits import usable_cpus

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def resolve_threads(wish: int | str, device: str) -> int | None:
    """The number of threads. `auto` means all CPUs that this process may use; on a GPU None: as each library chooses.

    Around a GPU vLLM takes one thread for its steps, because more would spin between two of its operations on the CPU;
    it keeps its hands off if OMP_NUM_THREADS is set (`set_torch_threads_for_runtime` in vLLM).
    """
    if wish != "auto":
        return int(wish)
    return usable_cpus() if device == "cpu" else None


def set_threads(threads: int | None) -> None:
    """Set the number of threads in place of what Snakemake exports to jobs; None leaves it to the libraries.

    Raises:
        RuntimeError: torch is already loaded.
    """
    import sys

    if "torch" in sys.modules:
        raise RuntimeError("set_threads must run before torch is imported")
    for name in VARIABLES:
        os.environ.pop(name, None)
    if threads is not None:
        os.environ |= dict.fromkeys(VARIABLES, str(threads))
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
