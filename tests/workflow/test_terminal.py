"""Terminal output of a call: one line per job, errors and the results in short; `--quiet host` shows everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.tree import quick_project, snakemake

PAGES = "Report: results/report.html; plan: results/capacity.html; open it with: make serve"
JOB = re.compile(r"\d\d:\d\d:\d\d \[(\d+)/(\d+)\] (\w+)( .*)?")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_project(tmp_path_factory.mktemp("terminal") / "tree")


@pytest.fixture(scope="module")
def screen(tree: Path) -> list[str]:
    """All lines of the default run, with scripts that print nothing."""
    done = snakemake(tree, "--config", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_the_default_run_is_short_and_names_each_job_once(tree: Path, screen: list[str]) -> None:
    jobs = [JOB.fullmatch(line) for line in screen if JOB.fullmatch(line)]
    ran = (tree / "ran.txt").read_text().splitlines()
    assert len(jobs) == len(ran) > 50
    assert [int(job[1]) for job in jobs] == list(range(1, len(jobs) + 1))
    assert {job[2] for job in jobs} == {str(len(jobs))}
    assert [job[3] for job in jobs] == [line.split()[0] for line in ran]
    assert len(screen) - len(jobs) < 10
    assert max(map(len, screen[:-5])) < 120


def test_what_was_found_comes_last_but_for_the_log(tree: Path, screen: list[str]) -> None:
    assert (tree / "results/found.txt").read_text().strip() in screen[-4]
    assert screen[-3] == PAGES
    assert screen[-2].startswith("Complete log(s): ")
    log = Path(screen[-2].removeprefix("Complete log(s): ")).read_text()
    assert "output: results/found.txt" in log or "results/report.html, results/found.txt" in log


def test_it_is_told_again_where_there_is_nothing_to_do(tree: Path, screen: list[str]) -> None:
    found = (tree / "results/found.txt").read_text().strip()
    assert snakemake(tree, "--config", "device=cpu").stderr.splitlines()[-2:] == [found, PAGES]
    one = snakemake(tree, "--config", "device=cpu", "--", "results/config.yaml").stderr
    assert "Nothing to be done" in one
    assert found not in one


def test_a_dry_run_is_a_line_a_job_and_quiet_host_shows_all(tree: Path, screen: list[str]) -> None:
    call = ("-n", "--forcerun", "make_report", "--config", "device=cpu")
    lines = snakemake(tree, *call).stdout.splitlines()
    assert "make_report" in lines
    assert not [line for line in lines if line.startswith("    input: ")]
    assert "    input: results/environment.json, " in snakemake(tree, *call, "--quiet", "host").stdout


def test_a_failure_is_seen_with_its_log_and_without_its_inputs(tree: Path, screen: list[str]) -> None:
    (tree / "fail.txt").write_text("make_report")
    done = snakemake(tree, "--forcerun", "make_report", "--config", "device=cpu")
    (tree / "fail.txt").unlink()
    assert done.returncode == 1
    assert "Error in rule make_report:" in done.stderr
    assert "log: logs/make_report.log" in done.stderr
    assert "results/tables/latency.csv" not in done.stderr
    assert "results/report.html" not in done.stderr.splitlines()[-1]
