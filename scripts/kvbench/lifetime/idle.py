"""Whether an engine that starts in processes of its own stands still: one that waits for a lock may do so forever."""

from __future__ import annotations

from contextlib import suppress

STILL_S = 600.0  # another job may compile for it meanwhile
LEAST_CPU_S = 0.5  # in that time; a start computes, or copies weights
LOOK_S = 10.0


class Idle:
    """Looks at the processes below the job, whose number is `job`.

    A look is not one of idleness if some of them have been stopped, if others have come or gone, or if the one before
    was so long ago that the machine has slept.
    """

    def __init__(self, job: int) -> None:
        self.job = job
        self._begin: tuple[float, dict[int, float]] | None = None  # when they last did something, and their CPU seconds
        self._looked = 0.0

    def stands_still(self, starting: bool, now: float) -> bool:
        """Look, `now` seconds on CLOCK_MONOTONIC, and say whether they have done nothing for STILL_S of a start."""
        if not starting:
            self._begin = None
            return False
        used = _cpu_s(self.job)
        slept, self._looked = now - self._looked > 6 * LOOK_S, now
        if self._begin is None or not used or slept or _works(self._begin[1], used):
            self._begin = now, used
        return now - self._begin[0] >= STILL_S


def _works(before: dict[int, float], now: dict[int, float]) -> bool:
    return before.keys() != now.keys() or sum(now.values()) - sum(before.values()) >= LEAST_CPU_S


def _cpu_s(job: int) -> dict[int, float]:
    """CPU seconds of each process below the job; none of any if one of them has been stopped."""
    import psutil

    found = {}
    with suppress(psutil.Error):
        for process in psutil.Process(job).children(recursive=True):
            with suppress(psutil.Error):
                if process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
                    return {}
                times = process.cpu_times()
                found[process.pid] = times.user + times.system
    return found
