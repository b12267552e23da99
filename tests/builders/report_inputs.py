"""What the report is made from: tables, figures and runs of a small seeded experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from builders.arriving_runs import SLO
from builders.bandwidth import bandwidth
from builders.pictures import write_picture
from builders.places import CLAIMS, TARGETS
from builders.runs import write_margins, write_run, write_runs
from builders.simulated_requests import make_requests
from builders.tables import read_back
from builders.workloads import workload
from kvbench.analysis import claims, parity
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_runs, of_serving, prefix_hits, repeats, sweeps, workloads
from kvbench.benchmarks import table as benchmarks
from kvbench.benchmarks import targets
from kvbench.capacity import planned
from kvbench.files import write_csv, write_json, write_parquet
from kvbench.report.page import read_inputs
from kvbench.report.sections import PLACED

# Figures of a page without requests that arrive over time.
DRAWN = [name for name in PLACED if name not in ("latency_rate", "request_time")]
ENGINES = ("hf-sequential", "hf-batch", "vllm")
ENVIRONMENT = {
    "device": "cpu",
    "cpu": {"model": "A CPU & more", "cpus": 4, "cpus_usable": 2, "instruction_sets": ["avx2"]},
    "memory_total_bytes": 8 << 30,
    "gpus": [{"name": "A GPU"}, {"name": "A GPU"}],
    "packages": {"torch": {"version": "2.13.0", "file": "x"}, "vllm": None},
}

PEER = {
    "kind": "peer-hf",
    "ours": "hf-batch",
    "other": "vllm bench",
    "device": "cpu",
    "passes": 7,
    "ours_output_tokens": 48,
    "other_output_tokens": 48,
    "ours_output_tokens_per_s": 31.5,
    "other_output_tokens_per_s": 33.2,
    "ratio": 0.951,
    "ratio_ci95_low": 0.94,
    "ratio_ci95_high": 0.96,
}


def _workload(root: Path) -> Path:
    path = root / "workloads/smollm2-135m/mixed.parquet"
    write_parquet(path, workload([[1, 2, 3], [4]], [5, 7]))
    return path


def report_inputs(root: Path, engines: Sequence[str] = ENGINES, **given: Any) -> tuple[dict[str, pd.DataFrame], tuple]:
    """Runs of three engines and the parity gate under `root`: the tables, and what `render` takes."""
    paths = write_runs(root / "runs", engines, **given)
    requests = make_requests(4)
    gate = [
        write_run(root / "runs", e, "parity", requests=requests, sequential=4, repeats=1) for e in ("hf-batch", "vllm")
    ]
    write_margins(gate[0], requests, {})
    runs = load_runs(paths)
    frames = {
        **of_runs.tables(runs, bandwidth(), 0),
        **(arriving := of_serving.tables([run for run in runs if run.arrives], SLO, 0)),
        "claims": claims.table(
            claims.read_claims(CLAIMS),
            claims.samples(read_back(root / "repeats.csv", repeats.table(runs)), arriving["slo_repeats"]),
            0,
        ),
        "prefix_hits": prefix_hits.table(runs, {}),
        "sweeps": pd.DataFrame(columns=list(sweeps.COLUMNS)),
        "workloads": workloads.table([_workload(root)]),
        "parity": parity.table(load_runs([*paths, *gate])),
        "planned": planned.table(load_runs(paths)),
    }
    write_json(root / "peer.json", PEER)
    peer = {"kind": "peer-hf", "model": "smollm2-135m", "workload": "mixed"}
    frames["benchmarks"] = benchmarks.table({"peer": peer}, [root / "peer.json"])
    held_to = targets.read_targets(TARGETS)
    frames["targets"] = targets.table(held_to, frames, {"mixed": "mixed"})
    for name, frame in frames.items():
        write_csv(root / f"{name}.csv", frame)
    figures = [write_picture(root / f"figures/smollm2-135m/mixed/{name}.svg") for name in DRAWN]
    write_json(root / "environment.json", ENVIRONMENT)
    (root / "config.yaml").write_text("seed: 0  # <as given>\nfigures: {formats: [pdf, svg]}\n")
    tables = [root / f"{name}.csv" for name in frames]
    given = read_inputs(root / "environment.json", root / "config.yaml", tables, figures, paths)
    return given[2], given
