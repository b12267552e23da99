"""A wall clock set back while a job ran. Nothing measured depends on it, but Snakemake compares time stamps."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

OURS = ("results/", "resources/")


def settle(inputs: Iterable[str]) -> list[str]:
    """Give inputs from the future the time of now, and return them.

    Snakemake discards outputs that are older than an input, which those of a job are that was running when the clock
    was set back. Only files that the pipeline made are touched; Snakemake compares their content, so that nothing
    becomes stale.
    """
    now = time.time()
    late = [name for name in inputs if name.startswith(OURS) and _is_later(name, now)]
    for name in late:
        os.utime(name, (now, now))
    return late


def _is_later(name: str, now: float) -> bool:
    path = Path(name)
    return path.is_file() and path.stat().st_mtime > now
