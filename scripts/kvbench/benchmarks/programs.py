"""Runs the benchmarks of kvbench itself: benchmarks/*.py, called with a run's settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.lifetime.parents import end_with_parent

PROGRAMS = Path(__file__).resolve().parents[3] / "benchmarks"
# Modules that the programs run, named here for the code digest of the rule that calls them.
RUNS = (
    *("kvbench.measure.orders", "kvbench.engines.vllm.runner", "kvbench.engines.transformers.by_name"),
    *("kvbench.benchmarks.bench_serve", "kvbench.benchmarks.servers", "kvbench.benchmarks.latencies"),
)


def run_benchmark(settings: Mapping[str, Any], files: Mapping[str, str], out: str | Path) -> None:
    """Run a benchmark in its own process, which writes `out` and ends with this one.

    `files` are environment, model and workload; for `peer-serve` also run and requests. If it fails, UserError with the
    last line that it printed.
    """
    last = "no message"
    program = [sys.executable, *arguments(settings, files, out)]
    piped = {"stderr": subprocess.PIPE, "text": True, "errors": "replace"}
    with subprocess.Popen(program, **piped, preexec_fn=partial(end_with_parent, os.getpid())) as process:
        # copied to our log at once, so that the log of a killed benchmark shows how far it got
        for line in process.stderr:
            sys.stderr.write(line)
            last = line.strip() or last
    if process.returncode:
        raise UserError(f"{settings['kind']}: {last}")


def arguments(settings: Mapping[str, Any], files: Mapping[str, str], out: str | Path) -> list[str]:
    """The program for the benchmark's kind and its command-line options."""
    kind, _, pair = settings["kind"].partition("-")
    given = {"settings": json.dumps(settings["run"])}
    if pair == "serve":  # it reads the run itself
        program, given = ["peer_serve.py"], {}
    elif kind == "peer":
        program = ["peers.py", "--pair", pair, "--batch", str(settings["batch"])]
        if controls := settings.get("controls"):
            program += ["--controls", *controls]
    else:
        program = ["recording_cost.py"]
    given = {**files, **given, "passes": settings["passes"], "out": out}
    path = str(PROGRAMS / program[0])
    return [path, *program[1:], *(part for name, value in given.items() for part in (f"--{name}", str(value)))]
