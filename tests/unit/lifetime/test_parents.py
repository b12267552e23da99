"""Processes that end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
from builders.places import IMPORT_PATH

CHILD = """
import os, sys, time
from kvbench.lifetime.parents import end_with_parent, exit_when_terminated
exit_when_terminated()
end_with_parent(int(sys.argv[1]) or os.getppid())
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("cleaned up", flush=True)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], "0"])
print(child.pid, flush=True)
time.sleep(60)
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": IMPORT_PATH}


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_cleans_up_and_ends_when_its_parent_is_killed(killed: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(killed)
        assert parent.stdout.readline() == "cleaned up\n"
        with suppress(psutil.NoSuchProcess):
            child.wait(20)


def test_a_child_whose_parent_has_ended_does_not_begin() -> None:
    command = [sys.executable, "-c", CHILD, "1"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "")
