"""Jobs on one machine load concurrently but measure alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.places import IMPORT_PATH

# A job reads one command per line and echoes it when done.
JOB = """
import sys
from kvbench.machine.turns import Turn

for line in sys.stdin:
    step = line.strip()
    if step == "load":
        turn = Turn(lambda line: print(line, flush=True)).__enter__()
    elif step == "measure":
        turn.measure()
    elif step == "end":
        turn.__exit__()
    print(step, flush=True)
"""


class Job:
    """A process with a turn; `ask` sends a command, `said` waits for a line, `silent` asserts that none comes."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", JOB],
            stdin=subprocess.PIPE,
            stdout=log.open("w"),
            text=True,
            env={"PYTHONPATH": IMPORT_PATH, "TMPDIR": str(folder)},
        )

    def ask(self, step: str) -> Job:
        self.process.stdin.write(step + "\n")
        self.process.stdin.flush()
        return self

    def lines(self) -> list[str]:
        return self.log.read_text().split("\n")[:-1]

    def said(self, line: str) -> Job:
        end = time.monotonic() + 60
        while line not in self.lines():
            assert self.process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        return self

    def silent(self, step: str) -> Job:
        time.sleep(0.3)
        assert step not in self.lines()
        return self


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[list[Job]]:
    started = [Job(tmp_path, tmp_path / f"log-{number}") for number in range(3)]
    yield started
    for job in started:
        job.process.kill()
        job.process.wait()


def test_jobs_load_side_by_side_and_measure_one_after_the_other(jobs):
    first, second, _ = jobs
    first.ask("load").said("load")
    second.ask("load").said("load")
    first.ask("measure").silent("measure")  # the second is still loading
    second.ask("measure").said("waiting to measure: another job on this machine is loading or measuring")
    first.said("measure")
    second.silent("measure")
    first.ask("end").said("end")
    second.said("measure")


def test_nobody_begins_to_load_while_another_measures_or_waits_to(jobs):
    first, second, third = jobs
    first.ask("load").said("load").ask("measure").said("measure")
    second.ask("load").silent("load").said("waiting to load: another job on this machine is measuring")
    first.ask("end").said("end")
    second.said("load")
    third.ask("load").said("load").ask("measure").silent("measure")  # waits for the second
    first.ask("load")
    time.sleep(0.3)
    assert first.lines().count("load") == 1  # its second load waits behind the third
    second.ask("end").said("end")
    third.said("measure")


def test_a_job_that_is_killed_gives_its_turn_back(jobs):
    first, second, _ = jobs
    first.ask("load").said("load").ask("measure").said("measure")
    second.ask("load").silent("load")
    first.process.kill()
    second.said("load")
