"""What counts as an engine that does nothing while it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import psutil
import pytest

from kvbench.lifetime import idle
from kvbench.lifetime.idle import LEAST_CPU_S, LOOK_S, STILL_S, Idle


class Processes:
    """Stands for those below the job: CPU seconds by number; `status` of them all."""

    def __init__(self) -> None:
        self.used, self.status = {7: 5.0}, psutil.STATUS_SLEEPING

    def children(self, recursive: bool) -> list[SimpleNamespace]:
        assert recursive
        return [
            SimpleNamespace(
                pid=pid, status=lambda: self.status, cpu_times=lambda own=own: SimpleNamespace(user=own, system=0.0)
            )
            for pid, own in self.used.items()
        ]


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Processes:
    processes = Processes()
    monkeypatch.setattr(psutil, "Process", lambda job: processes)
    return processes


def looks(one: Idle, begin: float, end: float, starting: bool = True) -> bool:
    """Look every LOOK_S; the last answer."""
    answer = False
    while begin <= end:
        answer = one.stands_still(starting, begin)
        begin += LOOK_S
    return answer


def test_only_after_so_long(below: Processes) -> None:
    one = Idle(os.getpid())
    assert not looks(one, 1000, 1000 + STILL_S - LOOK_S)
    assert one.stands_still(True, 1000 + STILL_S)


def test_work_begins_the_time_anew_and_a_helpers_few_ticks_do_not(below: Processes) -> None:
    one = Idle(os.getpid())
    looks(one, 1000, 1300)
    below.used[7] += 0.9 * LEAST_CPU_S
    looks(one, 1310, 1400)
    below.used[7] += 0.2 * LEAST_CPU_S
    assert not looks(one, 1410, 1400 + STILL_S)
    assert one.stands_still(True, 1410 + STILL_S)


@pytest.mark.parametrize("change", ["another", "none", "stopped", "started", "slept"])
def test_what_else_begins_it_anew(below: Processes, change: str) -> None:
    one = Idle(os.getpid())
    end = 1000 + STILL_S - LOOK_S
    looks(one, 1000, end)
    if change == "another":
        below.used[8] = 0.0
    elif change == "none":
        below.used.clear()
    elif change == "stopped":
        below.status = psutil.STATUS_STOPPED
    elif change == "started":
        assert not one.stands_still(False, end)
    later = end + (100 * LOOK_S if change == "slept" else LOOK_S)
    assert not one.stands_still(True, later)


@pytest.fixture
def job() -> Iterator[Callable[[str], subprocess.Popen]]:
    """Starts a shell whose child, the engine, does what is given. The time between two looks is the test's."""
    shells = []

    def start(engine: str) -> subprocess.Popen:
        command = ["sh", "-c", f"exec 3<&0; ({engine}) <&3 & wait"]
        shells.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))
        until(lambda: idle._cpu_s(shells[-1].pid))
        return shells[-1]

    yield start
    for shell in shells:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()


def until(happened: Callable[[], object]) -> None:
    while not happened():
        time.sleep(0.01)


def test_a_real_engine_that_works(job: Callable[[str], subprocess.Popen]) -> None:
    shell = job("ulimit -t 60; while :; do :; done")
    one, used = Idle(shell.pid), sum(idle._cpu_s(shell.pid).values())
    looks(one, 1000, 990 + STILL_S)
    until(lambda: sum(idle._cpu_s(shell.pid).values()) > used + 2 * LEAST_CPU_S)
    assert not one.stands_still(True, 1000 + STILL_S)


def test_a_real_engine_that_starts_a_process(job: Callable[[str], subprocess.Popen]) -> None:
    shell = job("read line; sleep 60; :")
    one = Idle(shell.pid)
    looks(one, 1000, 990 + STILL_S)
    shell.stdin.write(b"go\n")
    shell.stdin.flush()
    until(lambda: len(idle._cpu_s(shell.pid)) == 2)
    assert not one.stands_still(True, 1000 + STILL_S)


def test_a_real_engine_that_does_nothing(job: Callable[[str], subprocess.Popen]) -> None:
    one = Idle(job("read line").pid)
    assert looks(one, 1000, 1000 + STILL_S)
