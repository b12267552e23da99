"""Time in which a run stood still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from builders.places import IMPORT_PATH

from kvbench.machine.stops import Stops, stood_still

S = 10**9
# Sleeps until it has been told to end, and prints the seconds for which it was stopped.
SLEEPER = """
import sys, time
from kvbench.machine.stops import Stops
with Stops() as stops:
    begin = time.monotonic_ns()
    print("ready", flush=True)
    sys.stdin.readline()
    print(stops.seconds(begin, time.monotonic_ns()), flush=True)
"""


@pytest.mark.parametrize(
    ("gap_s", "cpu_s", "stood"),
    [(0.25, 0.0, False), (1.2, 0.0, False), (2.0, 0.0, True), (60.0, 0.1, True), (3.0, 2.5, False), (60.0, 9.0, False)],
)
def test_a_long_gap_without_work_is_a_stop(gap_s: float, cpu_s: float, stood: bool) -> None:
    assert stood_still(int(gap_s * S), int(cpu_s * S)) == stood


def test_only_the_part_within_a_repeat_counts() -> None:
    stops = Stops()
    stops.intervals_ns = [(10 * S, 20 * S), (30 * S, 32 * S)]
    assert stops.seconds(0, 5 * S) == 0
    assert stops.seconds(15 * S, 31 * S) == 6
    assert stops.seconds(0, 100 * S) == 12


def test_a_stopped_process_knows_how_long() -> None:
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SLEEPER], env=environment, **piped) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        threading.Event().wait(2.5)
        process.send_signal(signal.SIGCONT)
        threading.Event().wait(0.6)
        process.stdin.write("\n")
        process.stdin.flush()
        assert float(process.stdout.readline()) > 2
