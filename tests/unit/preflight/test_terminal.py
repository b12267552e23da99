"""The terminal shows one line per job and what went wrong; the log file is unchanged."""

from __future__ import annotations

import enum
import io
import logging
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from kvbench.preflight.stopping import Stopping
from kvbench.preflight.terminal import HANDLER, Short, shorten, stamp, tell_found, with_pages
from kvbench.preflight.time_left import TimeLeft

Event = enum.Enum("Event", "RUN_INFO JOB_INFO JOB_STARTED JOB_FINISHED PROGRESS JOB_ERROR SHELLCMD ERROR")


class Whole(logging.Formatter):
    """Format the whole record, as Snakemake's own formatter does."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.msg} input={getattr(record, 'input', '')} log={getattr(record, 'log', '')}"


def show(
    *records: tuple[str, dict],
    dry: bool = False,
    found: str = "",
    left: TimeLeft | None = None,
    stopping: Stopping | None = None,
) -> tuple[list[str], list[str]]:
    """Log (message, extra) records at INFO and return the lines on the terminal and in the log file."""
    logger, screen, file = (
        logging.Logger("snakemake"),
        logging.StreamHandler(io.StringIO()),
        logging.StreamHandler(io.StringIO()),
    )
    screen.name = HANDLER
    for handler in (screen, file):
        handler.setFormatter(Whole())
        logger.addHandler(handler)
    shorten(logger, lambda: found, dry=dry, left=left, stopping=stopping)
    for message, extra in records:
        logger.info(message, extra=extra)
    return tuple(handler.stream.getvalue().splitlines() for handler in (screen, file))


def job(rule: str, **wildcards: str) -> tuple[str, dict]:
    return "", {"event": Event.JOB_INFO, "rule_name": rule, "wildcards": wildcards, "input": ["a"] * 150}


RECORDS = [
    ("Job stats: ...", {"event": Event.RUN_INFO, "stats": {"run_vllm": 1, "make_report": 1, "all": 1, "total": 3}}),
    ("Select jobs to execute...", {}),
    ("Execute 1 jobs...", {"event": Event.JOB_STARTED}),
    job("run_vllm", model="m", engine="vllm"),
    ("", {"event": Event.JOB_FINISHED}),
    (None, {"event": Event.PROGRESS, "done": 1, "total": 5}),
    job("make_report"),
    job("all"),
    ("Complete log(s): x", {}),
]


def test_a_job_is_a_line_that_says_how_many_there_are() -> None:
    screen, file = show(*RECORDS)
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in screen] == [
        "[1/2] run_vllm m vllm",
        "[2/4] make_report",
        "Complete log(s): x input= log=",
    ]
    assert re.match(r"\d\d:\d\d:\d\d \[", screen[0])
    assert len(file) == len(RECORDS)


def test_a_line_ends_with_the_time_left_until_other_jobs_come(tmp_path: Path) -> None:
    (tmp_path / "run_vllm").mkdir()
    (tmp_path / "run_vllm/m.tsv").write_text("s\th:m:s\n240.5\t0:04:00\n")
    left = TimeLeft(tmp_path, lambda: {"run_vllm"}, lambda: 2)
    stats = {"event": Event.RUN_INFO, "stats": {"run_vllm": 1, "make_report": 2, "all": 1, "total": 4}}
    same, more = ((None, {"event": Event.PROGRESS, "done": 1, "total": total}) for total in (4, 5))
    records = [("", stats), job("make_report"), same, job("run_vllm", model="m"), more, job("make_report")]
    screen, _ = show(*records, left=left)
    assert [line[9:] for line in screen] == [
        "[1/3] make_report, about 4 min left",
        "[2/3] run_vllm m, about 4 min left",
        "[3/4] make_report",
    ]


def test_without_a_rule_all_every_job_counts() -> None:
    stats = {"event": Event.RUN_INFO, "stats": {"make_report": 2, "total": 2}}
    screen, _ = show(("", stats), job("make_report"))
    assert "[1/2] make_report" in screen[0]


def test_a_dry_run_names_its_jobs_and_leaves_out_nothing_else() -> None:
    screen, _ = show(*RECORDS[:4], dry=True)
    assert [line.partition(" input")[0] for line in screen] == [
        "Job stats: ...",
        "Select jobs to execute...",
        "Execute 1 jobs...",
        "run_vllm m vllm",
    ]


def test_an_error_stays_less_its_lists_of_files() -> None:
    error = {"event": Event.JOB_ERROR, "input": ["a"] * 150, "output": ["b"], "log": ["x.log"]}
    screen, file = show(("Error in rule a:", error))
    assert screen == ["Error in rule a: input=[] log=['x.log']"]
    assert "'a', 'a'" in file[0]


def test_what_is_not_known_stays() -> None:
    screen, _ = show(("something new", {}), ("a command", {"event": Event.SHELLCMD}))
    assert [line.partition(" input")[0] for line in screen] == ["something new", "a command"]


@pytest.mark.parametrize(
    ("found", "last"), [("vllm made 2 times", "vllm made 2 times"), ("", "Nothing to be done. input= log=")]
)
def test_where_there_is_nothing_to_do_what_was_found_is_told(found: str, last: str) -> None:
    screen, file = show(("Nothing to be done.", {}), found=found)
    assert screen[-1] == last
    assert file == ["Nothing to be done. input= log="]


def test_what_was_found_is_told_where_it_is_new(tmp_path: Path) -> None:
    path = tmp_path / "found.txt"
    assert tell_found(path) == ""
    path.write_text("found\n")
    os.utime(path, (1000, 1000))
    before = stamp(path)
    assert tell_found(path) == "found"
    assert tell_found(path, before) == tell_found("") == ""
    os.utime(path, (900, 900))  # written again, by a clock that was set back
    assert tell_found(path, before) == "found"


@pytest.mark.parametrize("name", ["results of mine", "results"])
def test_the_pages_are_told_with_their_way_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    pages = {"Report": "results/report.html", "plan": "results/capacity.html"}
    assert with_pages("", pages, Path.cwd()) == ""
    inside = "Report: results/report.html; plan: results/capacity.html; open it with: make serve"
    assert with_pages("found", pages, Path.cwd()) == f"found\n{inside}"
    places, _, call = with_pages("found", pages, tmp_path).partition("; open it with: ")
    assert places == f"found\nReport: {Path.cwd()}/results/report.html; plan: {Path.cwd()}/results/capacity.html"
    (tmp_path / "Makefile").write_text("serve:\n\t@printf '<%s>' $(ARGS)\n")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    done = subprocess.run(["sh", "-c", call], cwd=tmp_path, env=outside, capture_output=True, text=True, check=True)
    assert done.stdout == f"<{Path.cwd()}/results>"


def test_another_handler_is_left_alone() -> None:
    logger, handler = logging.Logger("snakemake"), logging.StreamHandler(io.StringIO())
    handler.setFormatter(Whole())
    logger.addHandler(handler)
    shorten(logger, str, dry=False)
    assert isinstance(handler.formatter, Whole)


def test_a_stopped_call_says_so_last_and_no_errors_that_follow_from_it() -> None:
    stopped = Stopping()
    stopped.signal = signal.SIGTERM
    records = [
        ("Terminating processes on user request, this might take some time.", {}),
        ("CalledProcessError", {"event": Event.ERROR, "exception": "RuleException"}),
        ("Error in rule run_vllm:", {"event": Event.JOB_ERROR}),
        ("At least one job did not complete successfully.", {"event": Event.ERROR, "exception": "WorkflowError"}),
    ]
    screen, file = show(*records, stopping=stopped)
    assert screen == ["Interrupted by SIGTERM. Finished runs are kept; run the same command again to go on."]
    assert len(file) == len(records)
    assert len(show(*records)[0]) == len(records)


@pytest.mark.parametrize(
    ("level", "text", "shown"),
    [
        (logging.INFO, "Job 3 has been submitted with SLURM jobid 7 (log: x/7.log).", False),
        (logging.INFO, "SLURM run ID: kvbench_0f", False),
        (logging.WARNING, "No SLURM account given, trying to guess.", False),
        (logging.WARNING, "Job 3 is not known to SLURM", True),
        (logging.WARNING, "MinJobAge 60s (< 120s).", True),
    ],
)
def test_what_the_slurm_plugin_repeats_is_dropped_and_its_warnings_are_not(level: int, text: str, shown: bool) -> None:
    short = Short(logging.Formatter(), str, dry=False)
    assert short.filter(logging.makeLogRecord({"levelno": level, "msg": text})) == shown


def test_a_failed_cluster_job_is_one_line() -> None:
    message = "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. Detailed failure reason unavailable."
    error = {"event": Event.JOB_ERROR, "rule_name": "check_environment", "rule_msg": message, "log": ["logs/a.log"]}
    screen, file = show(("Error in rule check_environment, jobid: 1", error))
    line = (
        "check_environment: SLURM ended job 7 at its time limit; raise cluster.rules.check_environment.runtime_min in "
    )
    assert screen == [f"{line}config.yaml; see logs/a.log"]
    assert file[0].startswith("Error in rule check_environment")


def test_a_lock_is_one_line() -> None:
    screen, _ = show(("Error: Directory cannot be locked.", {"event": Event.ERROR, "exception": "LockException"}))
    assert len(screen) == 1
    assert screen[0].endswith(
        "is locked by a call that has ended, and nothing of it runs on this machine: run make unlock"
    )
