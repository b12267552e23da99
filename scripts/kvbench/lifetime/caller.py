"""The Snakemake that a job belongs to, and the jobs that a Snakemake runs."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

CALLER = "KVBENCH_CALLER"  # the number of the nearest Snakemake's process, in the environment of its jobs
# Snakemake runs a copy of a rule's script.
COPY = re.compile(r"\.snakemake/scripts/\w+\.(\w+)\.py$")

SLURM_JOB = "SLURM_JOB_ID"


def announce(environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell this process's jobs, as their Snakemake, which one it is."""
    environment[CALLER] = str(os.getpid())


def take(environment: MutableMapping[str, str] = os.environ) -> int | None:
    """The process of the Snakemake that runs this job, asked for once; None outside of Snakemake."""
    told = environment.pop(CALLER, None)
    return int(told) if told else None


def jobs_of(process: Any) -> list[Any]:
    """The jobs that a Snakemake (a psutil.Process) has started: of each its first process."""
    found = [child for child in process.children(recursive=True) if rule_of(child)]
    numbers = {child.pid for child in found}
    return [child for child in found if child.ppid() not in numbers]


def rule_of(process: Any) -> str | None:
    """The rule whose script a process (a psutil.Process) runs; None if it runs none."""
    for argument in _arguments(process)[1:2]:
        if found := COPY.search(argument):
            return found[1]
    return None


def still_running(folder: Path) -> list[str]:
    """`pid 4711 (run_vllm)` for each job and Snakemake of this machine that works in `folder`, except this process.

    Processes of SLURM's jobs do not count: SLURM says what becomes of them.
    """
    import psutil

    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for number in psutil.pids():  # process_iter may return one that has ended in place of one with its number
        with suppress(psutil.Error):
            process = psutil.Process(number)
            what = rule_of(process) or ("snakemake" if _is_snakemake(process) else None)
            parent = process.parent()
            forked = parent is not None and what == rule_of(parent)  # a job beside its warden
            apart = forked or process.pid in own
            if what and not apart and process.cwd() == str(folder) and not _is_of_slurm(process):
                found.append(f"pid {process.pid} ({what})")
    return found


def remove_copies(folder: Path) -> None:
    """Remove the copies of scripts that killed calls have left in `folder`; none while a job or a call works there."""
    copies = list((folder / ".snakemake/scripts").glob("*.py"))
    if copies and not still_running(folder):
        for copy in copies:
            copy.unlink(missing_ok=True)


def _is_of_slurm(process: Any) -> bool:
    """Whether a process belongs to a job of SLURM, and not to the one that this process is in."""
    number = process.environ().get(SLURM_JOB)
    return number is not None and number != os.environ.get(SLURM_JOB)


def _is_snakemake(process: Any) -> bool:
    """Whether a process runs `snakemake` or `python -m snakemake`."""
    arguments = _arguments(process)[:3]
    return any(Path(argument).name == "snakemake" for argument in arguments)


def _arguments(process: Any) -> list[str]:
    import psutil

    with suppress(psutil.Error):
        return process.cmdline()
    return []
