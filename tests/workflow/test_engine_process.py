"""vLLM with its engine in a separate process: it is recorded as in-process, and always ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from builders.places import IMPORT_PATH

PROGRAM = """
import dataclasses
import sys
import time
from pathlib import Path
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.engines.vllm.runner import VllmEngine
from kvbench.measure.kv_rows import kv_rows
from builders.tiny import SLOT_BYTES, generate, tiny_requests, tiny_settings

over_time = sys.argv[2] == "arrivals"
engine = VllmEngine(dataclasses.replace(tiny_settings(Path(sys.argv[1]), "vllm", 8), arrivals=over_time))
engine.prepare(RecordedPasses(blocks=[0]))
try:
    engine.load()
    print("in subprocess", engine.in_force()["engine_in_subprocess"], flush=True)
    if sys.argv[2] == "error":
        raise ValueError("on purpose")
    lengths = [(60, 30)] * 6 if sys.argv[2] in ("end", "arrivals") else [(10, 100)] * 200
    requests = tiny_requests(lengths)
    print("generating", flush=True)
    if over_time:
        start = time.monotonic_ns()
        due = [start + n * 10_000_000 for n in range(len(requests))]
        generated = engine.generate(requests, lambda tokens: None, None, lambda part: None, due)
        for c, due_ns in zip(generated.completions, due, strict=True):
            assert due_ns == c.due_ns <= c.submitted_ns <= c.received_ns <= c.token_ns[0] <= c.finish_ns
        generated = engine.collect(generated, 0)
    else:
        generated = engine.collect(generate(engine, requests), 0)
    columns, found = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=False)
    print("checked", found["blocks_in_use"], found["distinct_block_ids"], columns["preemptions"][-1], flush=True)
finally:
    engine.close()
"""


def start(tiny: Path, how: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tiny), how],
        env={**os.environ, "PYTHONPATH": IMPORT_PATH, "VLLM_ENABLE_V1_MULTIPROCESSING": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def read_until(program: subprocess.Popen, word: str) -> str:
    for line in program.stdout:
        if line.startswith(word):
            return line
    raise AssertionError(f"the program ended before it said {word}")


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=20)
    return not alive


@pytest.mark.parametrize("how", ["end", "arrivals", "error", "interrupt"])
def test_engine_process_is_recorded_and_leaves_nothing_behind(tiny, how):
    program = start(tiny, how)
    try:
        assert read_until(program, "in subprocess").split()[-1] == "True"
        children = psutil.Process(program.pid).children(recursive=True)
        assert children
        if how == "interrupt":
            read_until(program, "generating")
            time.sleep(1)
            program.send_signal(signal.SIGINT)
        if how in ("end", "arrivals"):
            steps, sampled, preempted = map(int, read_until(program, "checked").split()[1:])
            assert steps > 30
            assert sampled > 0
            assert preempted > 0 or how == "arrivals"
        code = program.wait(timeout=120)
        assert (code == 0) == (how in ("end", "arrivals"))
        assert gone(children)
    finally:
        program.kill()
