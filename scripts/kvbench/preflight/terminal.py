"""Shortens Snakemake's terminal output to one line per job; its log file, named at the end, has everything."""

from __future__ import annotations

import logging
import re
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kvbench.preflight import cluster_jobs
from kvbench.preflight.stopping import Stopping, locked
from kvbench.preflight.time_left import TimeLeft

TARGETS = ("all", "results")  # the rules that only request files
HANDLER = "DefaultStreamHandler"
# Events that only repeat what the lines of jobs say.
DROPPED = ("RUN_INFO", "JOB_STARTED", "JOB_FINISHED", "PROGRESS", "RESOURCES_INFO")
# Beginnings of unimportant lines that belong to no event.
NOISE = (
    *(
        "Select jobs to execute",
        "Conda environments: ignored",
        "Using shell:",
        "Assuming unrestricted shared filesystem",
        "Provided ",
        "SLURM run ID: ",
        "Cleaning up SLURM log files",
    ),
    *("Rules claiming more threads", "Updating checkpoint dependencies", "DAG of jobs will be updated"),
)
SUBMITTED = re.compile(r"Job \S+ has been submitted with SLURM jobid")
# Warnings of the SLURM plugin where no account is named, which few clusters need.
ACCOUNT = ("No SLURM account given", "No account was given", "Unable to guess SLURM account")
IDLE = "Nothing to be done"
ERRORS = ("ERROR", "JOB_ERROR", "GROUP_ERROR")
STOPPED = ("Terminating processes", "Will exit after")
FAILED, LOCKED = "WorkflowError", "LockException"  # the exceptions of a call with a failed job, and of a locked folder


class Short(logging.Formatter):
    """Formats one line for each job that starts, and errors without their lists of files; drops routine messages.

    It is also the handler's filter. `whole` formats everything else; `found` gives the text to append if there was
    nothing to do. With `dry` only the details of jobs are left out. `left` adds the time that the call still takes.
    Once `stopping` has a signal, errors that follow from it are dropped and its line comes last.
    """

    def __init__(
        self,
        whole: logging.Formatter,
        found: Callable[[], str],
        *,
        dry: bool,
        left: TimeLeft | None = None,
        stopping: Stopping | None = None,
    ) -> None:
        super().__init__()
        self._whole, self._found, self._dry, self._left = whole, found, dry, left
        self._stopping = stopping or Stopping()
        self._begun = self._total = self._unseen = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the terminal shows a record; also counts jobs."""
        event = _event(record)
        if event == "RUN_INFO":
            self._count(getattr(record, "stats", {}))
        elif event == "PROGRESS":
            before, self._total = self._total, getattr(record, "total", self._total)
            if self._left and self._total != before:
                self._left.forget()
        elif event == "JOB_INFO" and getattr(record, "rule_name", None) in TARGETS:
            return False
        if self._stopping.signal and (event in ERRORS or str(record.msg).startswith(STOPPED)):
            return getattr(record, "exception", None) == FAILED
        text = str(record.msg)
        dull = event in DROPPED or (event is None and (text.startswith(NOISE) or SUBMITTED.match(text)))
        if event is None and text.startswith(ACCOUNT):
            return False
        return self._dry or not dull or record.levelno > logging.INFO

    def format(self, record: logging.LogRecord) -> str:
        """The text of the record, of one or more lines."""
        event = _event(record)
        if event == "JOB_INFO":
            return self._job(record)
        if getattr(record, "exception", None) == LOCKED:
            return locked()
        if event == "ERROR" and (line := self._stopping.line()):
            return line
        if event == "JOB_ERROR" and (line := cluster_jobs.told(record.__dict__)):
            return line
        if event in ("JOB_ERROR", "GROUP_ERROR"):
            record = logging.makeLogRecord({**record.__dict__, "input": [], "output": []})
        text = self._whole.format(record)
        return f"{text}\n{self._found()}".rstrip() if text and text.startswith(IDLE) else text

    def _count(self, counts: Mapping[str, int]) -> None:
        self._total, self._unseen = counts.get("total", 0), sum(counts.get(name, 0) for name in TARGETS)
        if self._left:
            self._left.plan({rule: jobs for rule, jobs in counts.items() if rule not in ("total", *TARGETS)})

    def _job(self, record: Any) -> str:
        """`12:30:05 [3/64] run_vllm smollm2-135m vllm mixed base, about 3 min left`, with the name that jobs use."""
        name = " ".join([record.rule_name, *(str(value) for _, value in record.wildcards.items())])
        if self._dry:
            return name
        self._begun += 1
        jobs = max(self._total - self._unseen, self._begun)
        left = self._left.begin(record.rule_name, getattr(record, "benchmark", None)) if self._left else ""
        return f"{time.strftime('%H:%M:%S')} [{self._begun}/{jobs}] {name}" + (f", {left}" if left else "")


def _event(record: logging.LogRecord) -> str | None:
    return getattr(getattr(record, "event", None), "name", None)


def shorten(logger: logging.Logger, found: Callable[[], str], **given: Any) -> None:
    """Install `Short` on Snakemake's terminal handler, if there is one; a logger plugin replaces it."""
    for handler in logger.handlers:
        if handler.name == HANDLER and handler.formatter is not None:
            short = Short(handler.formatter, found, **given)
            handler.setFormatter(short)
            handler.addFilter(short)


def stamp(path: str | Path) -> int | None:
    """When a file was written, in nanoseconds; None if there is none."""
    path = Path(path)
    return path.stat().st_mtime_ns if path.is_file() else None


def tell_found(path: str | Path, before: int | None = None) -> str:
    """The text of a file unless its stamp is still that of `before`; otherwise, or without a file, an empty string.

    A difference is what counts, since the clock may have been set back.
    """
    return (
        Path(path).read_text(encoding="utf-8", errors="replace").rstrip() if stamp(path) not in (None, before) else ""
    )


def with_pages(found: str, pages: Mapping[str, str], project: Path) -> str:
    """What was found, where its pages lie and how to open them; nothing where nothing was found.

    `pages` are files below the working directory, by what they are. `make serve` is called in `project`.
    """
    here = Path.cwd()
    if not found:
        return ""
    if here == project.resolve():
        base, results = Path(), ""
    else:
        base, results = here, f" ARGS={shlex.quote(shlex.quote(str(here / 'results')))}"  # for make's shell too
    places = "; ".join(f"{name}: {base / page}" for name, page in pages.items())
    return f"{found}\n{places}; open it with: make serve{results}"
