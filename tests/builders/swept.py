"""Runs at two points of a KV-budget sweep, and variants and tables derived from them."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from builders.runs import write_run
from builders.simulated_engine import BLOCK
from builders.simulated_requests import make_requests
from builders.tables import read_back
from builders.workloads import workload
from kvbench.analysis.results import Run, load_runs
from kvbench.analysis.tables import repeats, sweeps
from kvbench.files import write_csv
from kvbench.replay import Trace, sweep

REQUESTS = make_requests(12)
PROMPT, OUTPUT = [r.prompt for r in REQUESTS], [r.output for r in REQUESTS]
WORKLOAD = workload(PROMPT, OUTPUT)
TRACE = Trace.of(PROMPT, OUTPUT)
POOLS = {16: 544, 128: 4096}  # MiB in the point's name -> slots; vllm preempts in the smaller pool only


def write_swept_runs(root: Path) -> list[Run]:
    """Write hf-continuous at both points, then vllm at both, with the same requests and pools."""
    given = [(engine, mib) for engine in ("hf-continuous", "vllm") for mib in POOLS]
    return load_runs(
        write_run(root, engine, requests=REQUESTS, point=f"kv_budget_mib-{mib}", slots=POOLS[mib])
        for engine, mib in given
    )


def by_block_size(run: Run) -> list[Run]:
    """Turn a larger-pool run into a block-size sweep: 32 as simulated, and 128 by editing only the record."""
    found = []
    for size in (BLOCK, 4 * BLOCK):
        record = copy.deepcopy(run.record) | {"point": f"block_size-{size}", "block_size": size}
        record["capacity"] |= {"blocks": POOLS[128] // size, "pool_slots": POOLS[128] // size * size}
        found.append(dataclasses.replace(run, record=record))
    return found


def with_options(run: Run, **options: Any) -> Run:
    """Return the run with the given engine options in its record."""
    record = copy.deepcopy(run.record)
    record["settings"]["given"]["options"] = options
    return dataclasses.replace(run, record=record)


def write_sweep_tables(root: Path, runs: list[Run]) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    """Write the sweep's tables as the rules do; return (path of sweeps.csv, its rows, replays)."""
    samples = read_back(root / "repeats.csv", repeats.table(runs))
    write_csv(root / "kv_budget_mib.csv", sweep.table(sweep.plan(runs, "kv_budget_mib"), WORKLOAD))
    replays = sweeps.read_replays([root / "kv_budget_mib.csv"])
    path = root / "sweeps.csv"
    return path, read_back(path, sweeps.table({"kv_budget_mib": runs}, samples, replays, 0)), replays
