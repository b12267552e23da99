"""This process and its descendants: their ids, resident memory and CPU time."""

from __future__ import annotations

import os
from contextlib import suppress

import psutil


def process_ids() -> list[int]:
    """This process and its descendants."""
    return [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]


def rss_bytes() -> int:
    """Resident bytes of this process and its descendants; shared pages count once per process."""
    total = 0
    for pid in process_ids():
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_info().rss
    return total


def cpu_s() -> float:
    """CPU seconds of this process and its living descendants since their start."""
    total = 0.0
    for pid in process_ids():
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total
