"""Time in which a run stood still: its process, or one of its engine's, was stopped (SIGSTOP, a frozen container)."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import psutil

from kvbench.lifetime import link
from kvbench.lifetime.forking import undivided

PERIOD_S = 0.25
# A thread may wait so long for the interpreter's lock without the process having stood still.
LEAST_S = 1.0
# A process that does not stand still works: one that waits for other load gets at least so much of the time.
IDLE_SHARE = 0.1


class Stops:
    """`with Stops() as stops:` looks from a thread of its own; `seconds` gives what it has seen.

    The clock is CLOCK_MONOTONIC, which goes on while a process is stopped.
    """

    def __init__(self) -> None:
        self.intervals_ns: list[tuple[int, int]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="kvbench-stops", daemon=True)

    def __enter__(self) -> Stops:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def seconds(self, begin_ns: int, end_ns: int) -> float:
        """Seconds between two times in which the run stood still."""
        return sum(max(0, min(end, end_ns) - max(begin, begin_ns)) for begin, end in self.intervals_ns) / 1e9

    def _loop(self) -> None:
        last_ns, last_cpu_ns = time.monotonic_ns(), time.process_time_ns()
        while not self._stop.wait(PERIOD_S):
            now_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
            if stood_still(now_ns - last_ns, cpu_ns - last_cpu_ns) or any(map(_is_stopped, link.watched())):
                self.intervals_ns.append((last_ns, now_ns))
            last_ns, last_cpu_ns = now_ns, cpu_ns


def stood_still(gap_ns: int, cpu_ns: int) -> bool:
    """Whether a process that used `cpu_ns` between two looks, `gap_ns` apart, was stopped between them."""
    late_ns = gap_ns - PERIOD_S * 1e9
    return late_ns > LEAST_S * 1e9 and cpu_ns < IDLE_SHARE * late_ns


def _is_stopped(pid: int) -> bool:
    with suppress(psutil.Error), undivided:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    return False
