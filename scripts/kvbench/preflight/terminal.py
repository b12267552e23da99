"""What Snakemake says on the terminal, short: a line a job. Its own log file, named at the end, has all of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGET = "all"  # the rule that does nothing but ask for files
HANDLER = "DefaultStreamHandler"
# Events that say what the lines of jobs say, or nothing.
DROPPED = ("RUN_INFO", "JOB_STARTED", "JOB_FINISHED", "PROGRESS", "RESOURCES_INFO")
# Beginnings of lines that belong to no event.
NOISE = (
    *(
        "Select jobs to execute",
        "Conda environments: ignored",
        "Using shell:",
        "Assuming unrestricted shared filesystem",
        "Provided ",
    ),
    *("Rules claiming more threads", "Updating checkpoint dependencies", "DAG of jobs will be updated"),
)
IDLE = "Nothing to be done"


class Short(logging.Formatter):
    """One line for a job that starts, none for what is usual; what went wrong stays, less its lists of files.

    It is a filter too: a handler asks it first. `whole` formats everything else, `found` is text to end with where
    there was nothing to do. With `dry` nothing is left out but the details of jobs.
    """

    def __init__(self, whole: logging.Formatter, found: Callable[[], str], *, dry: bool) -> None:
        super().__init__()
        self._whole, self._found, self._dry = whole, found, dry
        self._begun = self._total = self._unseen = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the terminal shows a record; counts jobs on the way."""
        event = _event(record)
        if event == "RUN_INFO":
            counts = getattr(record, "stats", {})
            self._total, self._unseen = counts.get("total", 0), counts.get(TARGET, 0)
        elif event == "PROGRESS":
            self._total = getattr(record, "total", self._total)
        elif event == "JOB_INFO" and getattr(record, "rule_name", None) == TARGET:
            return False
        dull = event in DROPPED or (event is None and str(record.msg).startswith(NOISE))
        return self._dry or not dull or record.levelno > logging.INFO

    def format(self, record: logging.LogRecord) -> str:
        """The record's line or lines."""
        event = _event(record)
        if event == "JOB_INFO":
            return self._job(record)
        if event in ("JOB_ERROR", "GROUP_ERROR"):
            record = logging.makeLogRecord({**record.__dict__, "input": [], "output": []})
        text = self._whole.format(record)
        return f"{text}\n{self._found()}".rstrip() if text and text.startswith(IDLE) else text

    def _job(self, record: Any) -> str:
        """`12:30:05 [3/64] run_vllm smollm2-135m vllm mixed base`, the name as jobs give it to their own lines."""
        name = " ".join([record.rule_name, *(str(value) for _, value in record.wildcards.items())])
        if self._dry:
            return name
        self._begun += 1
        jobs = max(self._total - self._unseen, self._begun)
        return f"{time.strftime('%H:%M:%S')} [{self._begun}/{jobs}] {name}"


def _event(record: logging.LogRecord) -> str | None:
    return getattr(getattr(record, "event", None), "name", None)


def shorten(logger: logging.Logger, found: Callable[[], str], *, dry: bool) -> None:
    """Make Snakemake's terminal handler short; where there is none, as with a logger plugin, nothing happens."""
    for handler in logger.handlers:
        if handler.name == HANDLER and handler.formatter is not None:
            short = Short(handler.formatter, found, dry=dry)
            handler.setFormatter(short)
            handler.addFilter(short)


def tell_found(path: str | Path, since: float = 0.0) -> str:
    """The text of a file that was written after `since` (seconds since the epoch); empty if there is none."""
    path = Path(path)
    fresh = path.is_file() and path.stat().st_mtime >= since
    return path.read_text(encoding="utf-8").rstrip() if fresh else ""
