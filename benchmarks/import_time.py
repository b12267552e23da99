"""Seconds to import kvbench, and the modules that the Snakefile uses: python benchmarks/import_time.py."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
TIMED = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
LIGHT = "kvbench.config.settings, kvbench.config.digests, kvbench.errors"


def seconds(modules: str, calls: int = 7) -> float:
    """Median seconds of importing `modules` in a process of its own."""
    command = [sys.executable, "-c", TIMED.format(modules)]
    calling = {"cwd": SCRIPTS, "capture_output": True, "text": True, "check": True}
    return statistics.median(float(subprocess.run(command, **calling).stdout) for _ in range(calls))


if __name__ == "__main__":
    print(f"import kvbench: {seconds('kvbench'):.3f} s (goal: 0.3 s or less)")
    print(f"import what the Snakefile uses: {seconds(LIGHT):.3f} s")
