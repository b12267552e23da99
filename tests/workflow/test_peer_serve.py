"""vLLM's own server under its own benchmark, with and without recording, on the tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from builders.open_loop import RATE, write_open_loop
from builders.places import BENCHMARKS

LENGTHS = [(5 + i, 8 + i) for i in range(10)]
PASSES, WAIT_S = 1, 300


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a short name: sockets have paths of at most 107 bytes."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="p") as folder:
        yield Path(folder)


def start(root: Path, tiny: Path, temporary: Path) -> subprocess.Popen:
    """The program, whose temporary folders and turns are in `temporary`."""
    files = write_open_loop(root, tiny, LENGTHS, repeats=PASSES)
    named = {**files, "passes": PASSES, "out": root / "peer.json", "logs": root / "logs"}
    options = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, str(BENCHMARKS / "peer_serve.py"), *options],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def below(program: subprocess.Popen) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(program.pid).children(recursive=True)
    return []


def when(true: Callable[[], bool]) -> bool:
    """Wait for a condition; whether it came about."""
    end = time.monotonic() + WAIT_S
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


def runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def left_in(temporary: Path) -> set[str]:
    """What is in the temporary folder apart from the locks of turns and caches of compiled code."""
    return {path.name for path in temporary.iterdir()} - {f"kvbench-{os.getuid()}", "torchinductor_root"}


def test_both_servers_serve_the_runs_requests(tmp_path: Path, tiny: Path, temporary: Path) -> None:
    with start(tmp_path, tiny, temporary) as program:
        assert when(lambda: len(below(program)) >= 4)  # two servers, each with an engine
        children = below(program)
        _, told = program.communicate(timeout=WAIT_S)
    assert program.returncode == 0, told[-2000:]
    found = json.loads((tmp_path / "peer.json").read_text())
    rows = {(row["ours"], row["other"], row["measure"]): row for row in found["comparisons"]}
    assert (found["requests_per_s"], found["passes"], len(rows)) == (RATE, PASSES, 9)
    assert found["ours_output_tokens"] == sum(output for _, output in LENGTHS)
    for row in rows.values():
        assert 0 < row["other_median_s"] < WAIT_S
        assert row["requests"] >= 6
    tpot = rows["vllm bench serve, recording", "vllm bench serve", "tpot"]
    assert 0 < tpot["hook_share_of_step"] < 1
    assert rows["vllm", "vllm bench serve", "e2e"]["other_median_s"] > tpot["other_median_s"]
    assert when(lambda: not any(map(runs, children)))
    assert left_in(temporary) == set()
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"peer.recording.log", "peer.plain.log"}


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_ends_it_ends_the_servers_and_their_engines(tmp_path, tiny, temporary, sent: signal.Signals) -> None:
    with start(tmp_path, tiny, temporary) as program:
        assert when(lambda: len(below(program)) >= (2 if sent == signal.SIGINT else 4))  # with or without engines
        children = below(program)
        program.send_signal(sent)
        assert program.wait(WAIT_S) != 0
    assert when(lambda: not any(map(runs, children)))
    assert sent == signal.SIGKILL or left_in(temporary) == set()
