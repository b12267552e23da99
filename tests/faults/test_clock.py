"""The wall clock is set back by two hours while a run goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from builders.faulty import WORKLOAD, run_file

from kvbench.files import read_json, read_parquet

BACK_S = 7200
# Every Python process of the call has a clock that goes back once the file `trigger` is there.
CLOCK = """
import os, time
own = time.time
time.time = lambda: own() - {back} * os.path.exists({trigger!r})
time.time_ns = lambda: int(1e9 * time.time())
"""


@pytest.mark.long
@pytest.mark.parametrize("engine", ["hf-batch", "vllm"])
def test_a_clock_that_is_set_back(call, outcome, tree: Path, tmp_path: Path, engine: str) -> None:
    """Outputs of a run are then older than its inputs, which Snakemake would not accept."""
    trigger = tmp_path / "trigger"
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(back=BACK_S, trigger=str(trigger)))
    one = call(engine, PYTHONPATH=str(tmp_path))
    one.job()
    one.until("repeat-1 begins")
    trigger.touch()
    later = time.time() + BACK_S  # what the time stamp of the input is to a clock that was set back
    os.utime(tree / WORKLOAD, (later, later))
    assert one.end() == 0, "\n".join(one.screen())
    record = read_json(tree / run_file(engine))
    assert all(0 < repeat["wall_s"] < 600 for repeat in record["repeats"])
    requests = read_parquet(tree / run_file(engine, "requests.parquet")).to_pydict()
    times = zip(requests["first_token_s"], requests["finish_s"], strict=True)
    assert all(0 <= first <= finish < 600 for first, finish in times)
    assert one.left() == []
    outcome(f"the wall clock set back by two hours during a run of {engine}", "", "a complete run")
