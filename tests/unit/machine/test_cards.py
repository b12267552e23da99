"""Which GPUs a run gets, and which other processes use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders.gpus import GIB, card, session
from builders.places import IMPORT_PATH
from builders.refusals import refused

from kvbench.errors import UserError
from kvbench.machine.cards import choose_cards, hold_cards, refuse_others, visible
from kvbench.machine.nvml import GpuProcess


@pytest.mark.parametrize(
    ("wish", "shown"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("2,0", [2, 0]),
        ("GPU-1a", [1]),
        ("1,7,0", [1]),  # CUDA stops at the first index that does not exist
        ("-1", []),
    ],
)
def test_cuda_visible_devices(wish, shown):
    assert [gpu.index for gpu in visible([card(0), card(1), card(2)], wish)] == shown


def test_the_first_cards_that_cuda_shows():
    cards = choose_cards(session([card(0), card(1), card(2)]), 2, {"CUDA_VISIBLE_DEVICES": "2,1"})
    assert [gpu.index for gpu in cards] == [2, 1]


def test_too_few_cards_are_refused_by_key():
    with pytest.raises(UserError, match=r"config.yaml: gpus: 2 requested, but only 1 GPU available"):
        choose_cards(session([card(0), card(1)]), 2, {"CUDA_VISIBLE_DEVICES": "1"})


def test_another_program_is_named_with_its_gpu_command_and_memory(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    other = GpuProcess(os.getppid(), 3 * GIB)
    with refused() as error:
        refuse_others(session([card(0, other)]), 1, allow=False, wait=lambda seconds: None)
    line = str(error.value)
    assert f"GPU 0 (NVIDIA H100): process {os.getppid()} (" in line
    assert "holds 3072 MiB" in line
    assert "shared_gpu" in line


def test_a_program_of_another_container_is_named_by_its_number():
    with pytest.raises(UserError, match=r"process 99999999 \(not visible from here\) holds memory"):
        refuse_others(session([card(0, GpuProcess(99999999, None))]), 1, allow=False, wait=lambda seconds: None)


def test_a_program_that_is_just_ending_is_waited_for():
    waits: list[float] = []
    busy, free = [card(0, GpuProcess(99999999, GIB))], [card(0)]
    assert refuse_others(session(busy, busy, free), 1, allow=False, wait=waits.append) == []
    assert len(waits) == 2


def test_programs_on_cards_that_are_not_ours_do_not_matter():
    assert refuse_others(session([card(0), card(1, GpuProcess(99999999, GIB))]), 1, allow=False) == []


def test_allowed_programs_are_recorded():
    [found] = refuse_others(session([card(0, GpuProcess(99999999, GIB))]), 1, allow=True)
    assert found == {"gpu": 0, "name": "NVIDIA H100", "pid": 99999999, "command": None, "used_bytes": GIB}


def test_our_own_process_is_no_other():
    assert refuse_others(session([card(0, GpuProcess(os.getpid(), GIB))]), 1, allow=False) == []


HOLD = """
import sys
from builders.gpus import card, session
from kvbench.machine.cards import hold_cards

environment = {}
hold_cards(session([card(0), card(1), card(2)]), int(sys.argv[1]), print, environment)
print(environment["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen]]:
    """Start a job that prints the cards it gets and holds them until it reads a line."""
    started: list[subprocess.Popen] = []
    environment = {"PYTHONPATH": IMPORT_PATH, "TMPDIR": str(tmp_path)}

    def start(count: int) -> subprocess.Popen:
        command = [sys.executable, "-u", "-c", HOLD, str(count)]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **streams))
        return started[-1]

    yield start
    for job in started:
        job.kill()
        job.communicate()


def test_jobs_of_ours_never_share_a_card(hold):
    first = hold(1)
    assert first.stdout.readline() == "0\n"
    second = hold(1)
    assert second.stdout.readline() == "1\n"
    third = hold(2)  # only one is free: it takes none and waits
    assert third.stdout.readline() == "waiting for 2 GPUs: other jobs on this machine hold them\n"
    assert hold(1).stdout.readline() == "2\n"
    first.communicate("\n")
    second.communicate("\n")
    assert third.stdout.readline() == "0,1\n"


def test_a_job_holds_what_cuda_shows(monkeypatch, tmp_path):
    monkeypatch.setattr("kvbench.lifetime.scratch.tempfile.gettempdir", lambda: str(tmp_path))
    environment = {"CUDA_VISIBLE_DEVICES": "GPU-2a"}
    hold_cards(session([card(0), card(1), card(2)]), 1, pytest.fail, environment)
    assert environment == {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    with pytest.raises(UserError, match="gpus: 2 requested, but only 1 GPU available"):
        hold_cards(session([card(0), card(1), card(2)]), 2, pytest.fail, environment)
