"""SIGTERM to Snakemake while its main thread sees to a job that has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from builders.places import IMPORT_PATH

SCHEDULER = """
import signal, threading
from snakemake.scheduling.job_scheduler import JobScheduler
from kvbench.preflight.job_steps import stop_without_waiting
{mend}
scheduler = JobScheduler.__new__(JobScheduler)
scheduler._lock, scheduler._open_jobs = threading.Lock(), threading.Semaphore(0)
signal.signal(signal.SIGTERM, scheduler.exit_gracefully)
with scheduler._lock:
    print("holds its lock", flush=True)
    signal.raise_signal(signal.SIGTERM)
scheduler._open_jobs.acquire()
print(scheduler._user_kill)
"""


def begin(mend: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    command = [sys.executable, "-c", SCHEDULER.format(mend=mend)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_it_stops_as_snakemake_does() -> None:
    with begin("stop_without_waiting()") as process:
        assert process.communicate(timeout=60)[0] == "holds its lock\ngraceful\n"
    assert process.returncode == 0


def test_the_mend_is_still_needed() -> None:
    """Remove it once this fails: then Snakemake no longer waits for itself."""
    with begin("") as process:
        assert process.stdout.readline() == "holds its lock\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=3)
        process.send_signal(signal.SIGKILL)
