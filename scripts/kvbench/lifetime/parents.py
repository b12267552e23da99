"""Processes that end with the process that started them, even if it is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
TERMINATED = 128 + signal.SIGTERM  # the exit code of a process that SIGTERM ended in an orderly way


def end_with_parent(parent: int) -> None:
    """Have Linux send this process SIGTERM when its parent ends; exit at once if `parent` has already ended.

    The parent is the thread that started this process, so it must be one that lives as long as its process.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(TERMINATED)


def exit_when_terminated() -> None:
    """Let SIGTERM end this process as SystemExit, so that `finally` and `with` clean up."""

    def leave(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the cleaning up
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, leave)
