"""Runs the benchmarks of kvbench itself: benchmarks/*.py, called with a run's settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvbench.errors import UserError

PROGRAMS = Path(__file__).resolve().parents[3] / "benchmarks"
# Modules that the programs run, named here for the code digest of the rule that calls them.
RUNS = ("kvbench.measure.orders", "kvbench.engines.vllm.runner", "kvbench.engines.transformers.by_name")


def run_benchmark(settings: Mapping[str, Any], files: Mapping[str, str], out: str | Path) -> None:
    """Run a benchmark in its own process, which writes `out`; `files` are environment, model and workload.

    If it fails, UserError with the last line that it printed.
    """
    last = "no message"
    program = [sys.executable, *arguments(settings, files, out)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for (
            line
        ) in process.stderr:  # copied to our log at once, so that the log of a killed benchmark shows how far it got
            sys.stderr.write(line)
            last = line.strip() or last
    if process.returncode:
        raise UserError(f"{settings['kind']}: {last}")


def arguments(settings: Mapping[str, Any], files: Mapping[str, str], out: str | Path) -> list[str]:
    """The program for the benchmark's kind and its command-line options."""
    kind, _, pair = settings["kind"].partition("-")
    program = [str(PROGRAMS / "recording_cost.py")]
    if kind == "peer":
        program = [str(PROGRAMS / "peers.py"), "--pair", pair, "--batch", str(settings["batch"])]
    named = {**files, "max-length": settings["max_length"], "kv-budget-mib": settings["kv_budget_mib"]}
    named |= {"passes": settings["passes"], "out": out}
    return [*program, *(part for name, value in named.items() for part in (f"--{name}", str(value)))]
