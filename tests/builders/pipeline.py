"""Build all tables, figures and the report of synthetic runs in-process, as the Snakemake rules do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from matplotlib.text import Text

from builders.arriving_runs import SLO
from builders.bandwidth import bandwidth
from builders.places import CLAIMS, PUBLISHED, TARGETS
from builders.runs import write_margins, write_run
from builders.simulated_requests import Request
from builders.workloads import workload
from kvbench.analysis import claims, parity
from kvbench.analysis.results import Run, load_runs
from kvbench.analysis.tables import of_runs, of_serving, prefix_hits, sweeps, workloads
from kvbench.benchmarks import table as benchmarks
from kvbench.benchmarks import targets
from kvbench.capacity import planned
from kvbench.figures.registry import FIGURES, OF_WORKLOAD
from kvbench.files import read_table, write_csv, write_json, write_parquet
from kvbench.replay import sweep
from kvbench.report.page import read_inputs, render

MODEL, WORKLOAD = "smollm2-135m", "mixed"
ENVIRONMENT = {"device": "cpu", "cpu": {"model": "A CPU", "cpus": 2, "cpus_usable": 2}}
OF_RUNS = {entry.name: entry for entry in FIGURES if entry.of == OF_WORKLOAD}
SWEPT = [entry.sweep for entry in OF_RUNS.values() if entry.replays]
# The table each per-workload figure reads.
READS = {name: entry.table and Path("tables") / f"{entry.table}.csv" for name, entry in OF_RUNS.items()}


def write_results(
    root: Path,
    requests: Sequence[Request],
    engines: Sequence[str] = ("hf-sequential", "hf-batch", "vllm-reserved", "vllm"),
    change: Callable[[Path], None] = lambda folder: None,
    **given: Any,
) -> None:
    """Write runs of `engines` at the base point, vllm runs for every sweep, and all their tables under `root`.

    `change` is called with each run's folder before anything reads it.
    """
    given = {"requests": list(requests), "sequential": min(2, len(requests)), **given}
    points = ["block_size-32", "block_size-64", "kv_budget_mib-16", "kv_budget_mib-32"]
    points += ["prefix_sharing-true", "prefix_sharing-false", "kv_dtype-auto", "kv_dtype-fp8"]
    paths = [write_run(root / "runs", engine, **given) for engine in engines]
    paths += [write_run(root / "runs", "vllm", point=point, **given) for point in points if "vllm" in engines]
    if "hf-sequential" in engines:
        write_margins(paths[0], list(requests), {})
    for path in paths:
        change(path.parent)
    table = workload([r.prompt for r in requests], [r.output for r in requests], ids=[r.id for r in requests])
    write_parquet(root / f"workloads/{MODEL}/{WORKLOAD}.parquet", table)
    write_tables(root, load_runs(paths), table)


def write_tables(root: Path, runs: Sequence[Run], requests: Any) -> None:
    """Write tables/ and sweeps/ under `root` as the analysis and replay rules do."""
    folder = root / "tables"
    frames = {
        **of_runs.tables(runs, bandwidth(), 0),
        **of_serving.tables([run for run in runs if run.arrives], SLO, 0),
        "prefix_hits": prefix_hits.table(runs, {}),
        "workloads": workloads.table([root / f"workloads/{MODEL}/{WORKLOAD}.parquet"]),
        "parity": parity.table(runs),
        "planned": planned.table(runs),
        "benchmarks": benchmarks.table({}, []),
    }
    for name, frame in frames.items():
        write_csv(folder / f"{name}.csv", frame)
    samples = read_table(folder / "repeats.csv")
    both = claims.samples(samples, read_table(folder / "slo_repeats.csv"))
    write_csv(folder / "claims.csv", claims.table(claims.read_claims(CLAIMS), both, 0))
    swept = {name: [run for run in runs if run.point.startswith(f"{name}-")] for name in SWEPT}
    files = []
    for name, found in swept.items():
        files.append(root / f"sweeps/{MODEL}/{WORKLOAD}/{name}.csv")
        write_csv(files[-1], sweep.table(sweep.plan(found, name), requests))
    write_csv(folder / "sweeps.csv", sweeps.table(swept, samples, sweeps.read_replays(files), 0))
    held_to = targets.read_targets(TARGETS)
    read = {path.stem: read_table(path) for path in folder.glob("*.csv")}
    write_csv(folder / "targets.csv", targets.table(held_to, read, {WORKLOAD: "mixed"}))


def draw(root: Path, figure: str, width_in: float = 7.0) -> Any:
    """Draw a figure from the runs and tables under `root` with the module its rule calls."""
    sweep = OF_RUNS[figure].sweep
    points = f"{sweep}-*" if sweep else "base"
    given = {
        "runs": sorted(map(str, (root / "runs").glob(f"*/*/*/{points}/run.json"))),
        "table": str(root / (READS[figure] or "")),
        "slowest_requests": str(root / "tables/slowest_requests.csv"),
        "workload": str(root / f"workloads/{MODEL}/{WORKLOAD}.parquet"),
        "replays": str(root / f"sweeps/{MODEL}/{WORKLOAD}/{sweep}.csv"),
        "published": str(PUBLISHED),
    }
    return run_plot(figure, given, {"model": MODEL, "workload": WORKLOAD}, width_in)


def run_plot(figure: str, given: dict[str, Any], wildcards: dict[str, str], width_in: float = 7.0) -> Any:
    """Draw a figure from the inputs and wildcards of its plot rule."""
    params = SimpleNamespace(kind="shared-prefix", seed=0, options={"width_in": width_in})
    job = SimpleNamespace(input=SimpleNamespace(**given), wildcards=SimpleNamespace(**wildcards), params=params)
    return import_module(f"kvbench.figures.{figure}").from_job(job)


def report(root: Path, figures: Sequence[Path], **given: Any) -> str:
    """Render the HTML report of the results under `root`; `given` goes to `render`."""
    write_json(root / "environment.json", ENVIRONMENT)
    (root / "config.yaml").write_text("seed: 0\n")
    runs = sorted((root / "runs").glob("*/*/*/*/run.json"))
    tables = sorted((root / "tables").glob("*.csv"))
    return render(*read_inputs(root / "environment.json", root / "config.yaml", tables, figures, runs), **given)


def texts(figure: Any) -> str:
    """Return all text in a figure, one string per line."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def emptied(table: pd.DataFrame, how: str) -> pd.DataFrame:
    """Return the table with no rows, one row, only another workload's rows, or all numeric columns empty."""
    if how == "empty":
        return table.iloc[:0]
    if how == "of another workload":
        return table.assign(workload="another") if "workload" in table else table
    if how == "one row":
        return table.iloc[:1]
    kept = [name for name in table if table[name].dtype == object or not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(**{name: None for name in table if name not in kept})
