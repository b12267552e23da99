"""A job and its warden, and the thread that stands for it elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from builders.places import IMPORT_PATH

from kvbench.lifetime import warden

# A job as a rule's script is one: argv has the log, the user's limit, how to keep it and the work.
JOB = """
import os, signal, subprocess, sys, tempfile, time
from types import SimpleNamespace
from kvbench import adapter
from kvbench.lifetime import idle, link, warden, watch
idle.STILL_S, idle.LOOK_S, idle.LEAST_CPU_S = 1.0, 0.1, 0.02
log, given, keeper, work = sys.argv[1:]
if keeper == "watch":
    warden.available = lambda: False
    watch.PERIOD_S = 0.1
snakemake = SimpleNamespace(rule="run", wildcards=["x"], log=[log], resources={"timeout_s": float(given)}, input=[])
snakemake.params = {}
snakemake.output = [os.path.join(os.path.dirname(log), "out/table.csv")]
with adapter.job(snakemake) as job:
    exec(work)
"""
READY = "job.tell('ready ' + str(os.getpid())); "
WAIT = READY + "time.sleep(60)"
KEEPERS = ["warden", "watch"] if warden.available() else ["watch"]


class Started:
    """A job below a process that stands for Snakemake."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs = folder, []
        self.caller = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def __call__(self, work: str, given_s: float = 0, keeper: str = KEEPERS[0]) -> subprocess.Popen:
        own = {"PYTHONPATH": IMPORT_PATH, "TMPDIR": str(self.folder), "KVBENCH_CALLER": str(self.caller.pid)}
        command = [sys.executable, "-c", JOB, str(self.folder / "log"), str(given_s), keeper, work]
        process = subprocess.Popen(
            command, env={**os.environ, **own}, cwd=self.folder, stderr=subprocess.PIPE, text=True
        )
        self.jobs.append(process)
        return process


@pytest.fixture
def start() -> Iterator[Started]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="w") as folder:
        started = Started(Path(folder))
        yield started
        for process in (started.caller, *started.jobs):
            process.kill()
            process.wait()


def ready(process: subprocess.Popen) -> int:
    """The number of the job's process, once it works."""
    return int(process.stderr.readline().removeprefix("run x: ready "))


def ended(process: subprocess.Popen) -> tuple[int, list[str]]:
    """Exit code and the lines that came on the terminal."""
    _, lines = process.communicate(timeout=60)
    return process.returncode, lines.splitlines()


def left(start: Started) -> list[str]:
    return sorted(path.name for path in start.folder.iterdir() if path.name not in ("log", "results"))


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize(("work", "code"), [("print('done')", 0), ("adapter.leave()", 0), ("sys.exit(3)", 3)])
def test_a_job_ends_as_it_would_alone(start: Started, keeper: str, work: str, code: int) -> None:
    assert ended(start(work, keeper=keeper)) == (code, [])
    assert left(start) == []


@pytest.mark.parametrize("keeper", KEEPERS)
def test_an_error_is_one_line(start: Started, keeper: str) -> None:
    code, lines = ended(start("raise adapter.UserError('x: wrong')", keeper=keeper))
    assert (code, lines) == (1, ["run x: x: wrong"])


@pytest.mark.parametrize("keeper", KEEPERS)
def test_it_ends_with_its_snakemake(start: Started, keeper: str) -> None:
    process = start(WAIT, keeper=keeper)
    number = ready(process)
    start.caller.kill()
    start.caller.wait()
    code, lines = ended(process)
    assert code == (1 if keeper == "warden" else 143)
    assert lines == ["run x: ended, because its Snakemake has ended; run make unlock, then the same command to go on"]
    assert not psutil.pid_exists(number)
    assert left(start) == []


@pytest.mark.parametrize("keeper", KEEPERS)
def test_it_ends_at_its_limit(start: Started, keeper: str) -> None:
    process = start("link.phase('load'); " + WAIT, given_s=1, keeper=keeper)
    ready(process)
    [line] = ended(process)[1]
    assert line.startswith("run x: ended in phase load, since it took longer than 1 s; see ")
    assert line.endswith("set timeout_s: {run: seconds} in config.yaml if it needs longer")


@pytest.mark.parametrize("keeper", KEEPERS)
def test_it_ends_with_a_process_that_it_needs(start: Started, keeper: str) -> None:
    work = "child = subprocess.Popen(['sleep', '60']); link.watch({child.pid: 'engine'}); "
    process = start(work + "job.tell('ready ' + str(child.pid)); time.sleep(60)", keeper=keeper)
    number = ready(process)
    os.kill(number, signal.SIGKILL)
    [line] = ended(process)[1]
    assert line.startswith(f"run x: engine (pid {number}) ended in phase start before its work was done; see ")


@pytest.mark.parametrize("keeper", KEEPERS)
def test_a_job_whose_engine_does_nothing_while_it_starts(start: Started, keeper: str) -> None:
    work = "child = subprocess.Popen(['sleep', '60'])\nwith link.starting():\n    child.wait()"
    code, [line] = ended(start(work, keeper=keeper))
    assert code == (1 if keeper == "warden" else 128 + signal.SIGTERM)
    assert line.startswith("run x: ended in phase start, since its engine did nothing for 1 s of its start; see ")
    assert left(start) == []


@pytest.mark.parametrize("keeper", KEEPERS)
def test_after_its_start_an_engine_may_wait_for_requests(start: Started, keeper: str) -> None:
    work = "child = subprocess.Popen(['sleep', '60'])\nwith link.starting():\n    pass\ntime.sleep(3); child.kill()"
    assert ended(start(work, keeper=keeper)) == (0, [])


@pytest.mark.parametrize("keeper", KEEPERS)
def test_a_job_that_knows_why_a_process_has_ended_tells_it_itself(start: Started, keeper: str) -> None:
    work = "child = subprocess.Popen(['sleep', '0.5']); link.watch({child.pid: 'engine'}); child.wait(); "
    process = start(work + "raise adapter.UserError('no memory')", keeper=keeper)
    assert ended(process) == (1, ["run x: no memory"])


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("alive", [False, True])
def test_an_exception_that_follows_from_the_end_of_a_process_is_not_told(
    start: Started, keeper: str, alive: bool
) -> None:
    """One that does not is."""
    child = f"child = subprocess.Popen(['sleep', '{60 if alive else 0}']); link.watch({{child.pid: 'engine'}})"
    ends = "child.kill()" if alive else "child.wait()"
    work = f"{child}\ntry:\n    with link.deferring():\n        {'' if alive else ends + '; '}"
    process = start(work + f"raise RuntimeError('dead')\nfinally:\n    link.unwatch(); {ends}", keeper=keeper)
    _, [line] = ended(process)
    if alive:
        assert line.startswith("run x: RuntimeError: dead (details in ")
    else:
        assert line.startswith("run x: engine (pid ")
        assert " ended in phase start before its work was done; see " in line


only_with_a_warden = pytest.mark.skipif("warden" not in KEEPERS, reason="needs Linux 5.3")


@only_with_a_warden
@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGINT, "run x: interrupted in phase start"),
        (signal.SIGTERM, "run x: interrupted by SIGTERM in phase start; finished runs are kept, run the same command"),
        (signal.SIGHUP, "run x: interrupted by SIGHUP in phase start; finished runs are kept, run the same command"),
    ],
)
def test_signals_to_a_warden_are_told_once(start: Started, number: signal.Signals, line: str) -> None:
    work = "\ntry:\n    " + WAIT + "\nfinally:\n    print('cleaned up', flush=True)"
    process = start(work)
    ready(process)
    process.send_signal(number)
    process.send_signal(number)
    code, lines = ended(process)
    assert code == 128 + number
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "cleaned up" in (start.folder / "log").read_text()
    assert left(start) == []


@only_with_a_warden
@pytest.mark.parametrize(
    ("end", "code"), [(lambda pid: os.kill(pid, signal.SIGKILL), 137), (lambda pid: os.kill(pid, signal.SIGTERM), 143)]
)
def test_a_job_that_is_killed_is_told_with_its_phase(start: Started, end: Callable[[int], None], code: int) -> None:
    process = start("link.phase('repeat-1'); " + WAIT)
    end(ready(process))
    found, [line] = ended(process)
    name = {137: "9 (SIGKILL)", 143: "15 (SIGTERM)"}[code]
    assert found == code
    assert line.startswith(f"run x: killed by signal {name} in phase repeat-1")
    assert left(start) == []


@only_with_a_warden
def test_a_stopped_job_ends_too(start: Started) -> None:
    process = start(WAIT, given_s=1)
    os.kill(ready(process), signal.SIGSTOP)
    assert ended(process)[0] == 1
    assert left(start) == []


@only_with_a_warden
def test_what_a_killed_job_has_started_does_not_outlive_it(start: Started) -> None:
    """Not even in a session of its own, and deaf to SIGTERM."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    work = f"child = subprocess.Popen([sys.executable, '-c', {deaf!r}], start_new_session=True); time.sleep(0.5); "
    process = start(work + "job.tell('ready ' + str(child.pid)); os.kill(os.getpid(), signal.SIGKILL)")
    number = ready(process)
    assert ended(process)[0] == 137
    assert not psutil.pid_exists(number)


@only_with_a_warden
def test_what_a_killed_job_was_writing_goes(start: Started) -> None:
    (start.folder / "out").mkdir()
    work = "from kvbench.files import replacing\nwith replacing(snakemake.output[0]) as path:\n    path.touch()\n    "
    process = start(work + "os.kill(os.getpid(), signal.SIGKILL)")
    assert ended(process)[0] == 137
    assert list((start.folder / "out").iterdir()) == []


@only_with_a_warden
def test_orphans_are_not_kept_as_zombies(start: Started) -> None:
    orphan = "subprocess.run(['sh', '-c', 'sleep 0.1 &']); time.sleep(0.6); "
    count = "zombies = [p for p in psutil.Process(os.getppid()).children() if p.status() == 'zombie']; "
    process = start("import psutil; " + orphan + count + "job.tell(str(len(zombies)))")
    assert ended(process) == (0, ["run x: 0"])


@only_with_a_warden
def test_a_job_whose_warden_is_killed_cleans_up(start: Started) -> None:
    process = start(WAIT)
    number = ready(process)
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while psutil.pid_exists(number) and psutil.Process(number).status() != "zombie" and time.monotonic() < end:
        time.sleep(0.02)
    assert left(start) == []


def test_outside_of_snakemake_nothing_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-c", JOB, str(tmp_path / "log"), "0", "warden", "job.tell(str(os.getpgid(0)))"]
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    environment.pop("KVBENCH_CALLER", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == f"run x: {os.getpgid(0)}\n"
