"""Turns on one machine: jobs may load side by side, each on GPUs of its own; one that measures has the machine alone.

The locks are record locks on files below the temporary folder. They end with the process that holds them, and its
children do not share them. One process has one turn at a time.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO


def lock_file(name: str) -> IO[str]:
    """A file of this user to lock, opened so that both kinds of lock are possible."""
    folder = Path(tempfile.gettempdir()) / f"kvbench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return open(folder / name, "a+")


def try_lock(file: IO[str], kind: int = fcntl.LOCK_EX) -> bool:
    """Lock a file for this process, or say that another process has it."""
    with suppress(BlockingIOError, PermissionError):  # which of the two is the system's choice
        fcntl.lockf(file, kind | fcntl.LOCK_NB)
        return True
    return False


class Turn:
    """`with Turn(tell) as turn:` waits while another job measures, then may load; `measure()` waits for all others.

    Who waits to measure keeps those back that have not begun to load. `tell` gets a line where there is a wait.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell

    def __enter__(self) -> Turn:
        self._gate, self._machine = lock_file("gate"), lock_file("machine")
        self._take(fcntl.LOCK_SH, "waits to load: another job on this machine measures")
        return self

    def __exit__(self, *exception: object) -> None:
        self._machine.close()
        self._gate.close()

    def measure(self) -> None:
        """From now until the end of the turn no other job loads or measures."""
        fcntl.lockf(self._machine, fcntl.LOCK_UN)
        self._take(fcntl.LOCK_EX, "waits to measure: another job on this machine loads or measures")

    def _take(self, kind: int, wait: str) -> None:
        if not (try_lock(self._gate) and try_lock(self._machine, kind)):
            self.tell(wait)
            fcntl.lockf(self._gate, fcntl.LOCK_EX)
            fcntl.lockf(self._machine, kind)
        fcntl.lockf(self._gate, fcntl.LOCK_UN)
