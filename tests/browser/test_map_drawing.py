"""The benchmark of the map runs and prints a line for each of what it times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import BENCHMARKS


@pytest.mark.usefixtures("browser")
def test_the_benchmark_has_a_line_for_each_time_and_size(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text('<!doctype html><section id="answer"><h1>Here</h1></section>')
    command = [sys.executable, BENCHMARKS / "map_drawing.py", "--blocks", "100", "--steps", "60", "--drawn", "12"]
    done = subprocess.run([*command, "--report", report], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "100 blocks, 60 steps" in done.stderr
    _, *lines = done.stdout.splitlines()
    values = {line[:42].strip(): line[42:].split() for line in lines}
    assert list(values) == [
        "a step (ms)",
        "a jump (ms)",
        "a frame of the browser (ms)",
        "opening the map (ms)",
        "page with this map (MB)",
        "first screen of the report (ms)",
        "the report (MB)",
    ]
    for median, high, *told in values.values():
        assert 0 <= float(median) <= float(high)
        assert told == [] or told[0] in ("16:", "1500:", "5:")
