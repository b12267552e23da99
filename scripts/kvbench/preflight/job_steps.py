"""SIGTERM to the Snakemake of a cluster's job, which comes as its script gets one too."""

from __future__ import annotations

import _thread


def stop_without_waiting() -> None:
    """Let Snakemake's scheduler take SIGTERM beside its main thread.

    By itself it takes a lock in the signal's handler, for which the process waits forever where its own main thread
    holds it, as it does while it sees to a job that has just ended.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    exit_gracefully = JobScheduler.exit_gracefully

    def beside(self: JobScheduler, *given: object) -> None:
        _thread.start_new_thread(exit_gracefully, (self, *given))  # a Thread's start waits for a lock too

    JobScheduler.exit_gracefully = beside
