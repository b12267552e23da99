"""Benchmarks of the instrument itself: benchmarks/*.py called with a run's settings, and the table of their results."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.errors import UserError
from kvbench.files import read_json

PROGRAMS = Path(__file__).resolve().parents[2] / "benchmarks"
# What the programs run, named for the digest of the rule that calls them.
RUNS = ("kvbench.orders", "kvbench.engines.vllm_engine", "kvbench.engines.hf_engines")
COLUMNS = (
    *("name", "kind", "model", "workload", "device", "passes", "ours", "other"),
    *("ours_output_tokens", "other_output_tokens", "ours_output_tokens_per_s", "other_output_tokens_per_s"),
    *("ratio", "ratio_ci95_low", "ratio_ci95_high", "hook_share_of_wall"),
)


def run_benchmark(settings: Mapping[str, Any], files: Mapping[str, str], out: str | Path) -> None:
    """Run a benchmark in a process of its own, which writes `out`; `files` are environment, model and workload.

    UserError with the program's last line where it fails.
    """
    done = subprocess.run(
        [sys.executable, *arguments(settings, files, out)], stderr=subprocess.PIPE, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    if done.returncode:
        line = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{settings['kind']}: {line}")


def arguments(settings: Mapping[str, Any], files: Mapping[str, str], out: str | Path) -> list[str]:
    """The program of a kind and its options."""
    kind, _, pair = settings["kind"].partition("-")
    program = [str(PROGRAMS / "recording_cost.py")]
    if kind == "peer":
        program = [str(PROGRAMS / "peers.py"), "--pair", pair, "--batch", str(settings["batch"])]
    named = {**files, "max-length": settings["max_length"], "kv-budget-mib": settings["kv_budget_mib"]}
    named |= {"passes": settings["passes"], "out": out}
    return [*program, *(part for name, value in named.items() for part in (f"--{name}", str(value)))]


def table(benchmarks: Mapping[str, Mapping[str, Any]], results: Sequence[str | Path]) -> pd.DataFrame:
    """COLUMNS, a row a benchmark; `results` are the files in the order of `benchmarks`."""
    rows = [
        {"name": name, "model": own["model"], "workload": own["workload"], **read_json(path)}
        for (name, own), path in zip(benchmarks.items(), results, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
