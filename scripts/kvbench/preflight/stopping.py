"""Signals to a call of Snakemake: the jobs end at once, the lock goes, and one line says how to go on."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from kvbench.lifetime.caller import jobs_of, still_running
from kvbench.preflight import cluster_jobs

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.5


class Stopping:
    """Which signal has stopped this call, if any.

    Snakemake by itself waits for its jobs to finish, after SIGTERM and after a SIGINT that only it has got.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def install(self) -> None:
        """Take the signals. Snakemake's scheduler takes SIGTERM again when it begins, so call this after that too."""
        for number in SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
            _thread.start_new_thread(_end_jobs, ())  # a Thread's start waits for a lock, perhaps this thread's
        # Snakemake's scheduler takes this as it takes KeyboardInterrupt; before that it is the last line of the call.
        sys.exit(self.line())

    def line(self) -> str | None:
        """The last line of a call that a signal has stopped."""
        if self.signal is None:
            return None
        return f"Interrupted by {self.signal.name}. Finished runs are kept; run the same command again to go on."


def _end_jobs() -> None:
    """Interrupt the jobs until all have ended, those included that begin at this moment."""
    import psutil

    while True:
        with suppress(psutil.Error):
            for job in jobs_of(psutil.Process()):
                with suppress(psutil.Error):  # a job without a process below it has not begun
                    job.send_signal(signal.SIGINT if job.children() else signal.SIGTERM)
        time.sleep(AGAIN_S)


def locked(folder: Path | None = None) -> str:
    """The line for a folder that Snakemake finds locked: who works there, and what to do."""
    folder = Path(folder or os.getcwd())
    running = still_running(folder)
    if running:
        return f"{folder} is locked by a call that still runs: {', '.join(running)}; wait for it, or end it first"
    if jobs := cluster_jobs.running(folder):
        told = f"{folder} is locked by a call that has ended, but {len(jobs)} of its cluster jobs have not"
        return f"{told}: run make cancel, or wait for them, then run make unlock"
    return f"{folder} is locked by a call that has ended, and nothing of it runs on this machine: run make unlock"
