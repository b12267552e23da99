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


def resolve_threads(wish: int | str) -> int:
    """The number of threads; `auto` means all CPUs that this process may use."""
    return usable_cpus() if wish == "auto" else int(wish)


def set_threads(threads: int) -> None:
    """Set the number of threads, overriding what Snakemake exports to jobs; RuntimeError if torch is already loaded."""
    import sys

    if "torch" in sys.modules:
        raise RuntimeError("set_threads must run before torch is imported")
    for name in VARIABLES:
        os.environ[name] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
