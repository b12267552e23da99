"""Turns on one machine: jobs may load at the same time, each on its own GPUs, but a job that measures runs alone.

The locks are record locks on files in a folder of the user's. They are released when the process that holds them ends,
and its children do not inherit them. A process has one turn at a time.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from kvbench.lifetime import link
from kvbench.lifetime.scratch import lock_folder


def lock_file(name: str) -> IO[str]:
    """Open this user's lock file of that name, in a mode that allows shared and exclusive locks.

    UserError as in `lock_folder`.
    """
    return open(lock_folder() / name, "a+")


def try_lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """Lock a file for this process; False if another process holds the lock."""
    with suppress(BlockingIOError, PermissionError):  # which of the two depends on the system
        fcntl.lockf(file, kind | fcntl.LOCK_NB)
        return True
    return False


class Turn:
    """`with Turn(tell) as turn:` waits while another job measures; then load. `measure()` waits for all other jobs.

    While a job waits to measure, no other job begins to load. `tell` gets a line if there is a wait.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell

    def __enter__(self) -> Turn:
        self._gate, self._machine = lock_file("gate"), lock_file("machine")
        self._take(fcntl.LOCK_SH, "waiting to load: another job on this machine is measuring")
        return self

    def __exit__(self, *exception: object) -> None:
        self._machine.close()
        self._gate.close()

    def measure(self) -> None:
        """Wait until no other job loads or measures, and keep all others waiting until the end of the turn."""
        fcntl.lockf(self._machine, fcntl.LOCK_UN)
        self._take(fcntl.LOCK_EX, "waiting to measure: another job on this machine is loading or measuring")

    def _take(self, kind: int, wait: str) -> None:
        if not (try_lock(self._gate) and try_lock(self._machine, kind)):
            self.tell(wait)
            with link.waiting():
                fcntl.lockf(self._gate, fcntl.LOCK_EX)
                fcntl.lockf(self._machine, kind)
        fcntl.lockf(self._gate, fcntl.LOCK_UN)
