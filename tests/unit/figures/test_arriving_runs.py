"""Figures of requests that are submitted at once leave out arrivals; those of memory show one rate of each engine."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from builders.arriving_runs import write_arriving
from builders.pipeline import MODEL, OF_RUNS, READS, WORKLOAD, run_plot, texts, write_tables
from builders.runs import write_run
from builders.simulated_requests import make_requests
from builders.workloads import workload

from kvbench.analysis.results import load_runs
from kvbench.figures.data.latencies import latencies
from kvbench.figures.data.rates import without_lower_rates
from kvbench.figures.data.speeds import speeds
from kvbench.files import write_parquet


@pytest.fixture(scope="module", params=[True, False], ids=["beside a base", "alone"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two engines at two rates, with and without runs of requests that are submitted at once."""
    root, requests = tmp_path_factory.mktemp("results"), make_requests(24)
    engines = ("hf-batch", "vllm")
    paths = [write_arriving(root / "runs", e, rate, requests=24, repeats=2) for e in engines for rate in (1, 4)]
    if request.param:
        paths += [write_run(root / "runs", engine, requests=requests, repeats=2) for engine in engines]
    table = workload([r.prompt for r in requests], [r.output for r in requests], ids=[r.id for r in requests])
    write_parquet(root / f"workloads/{MODEL}/{WORKLOAD}.parquet", table)
    write_tables(root, load_runs(paths), table)
    return root


def draw(root: Path, figure: str) -> str:
    """All texts of a figure that is drawn from all runs of its model and workload, as its rule does."""
    given = {
        "runs": sorted(map(str, (root / "runs").glob("*/*/*/*/run.json"))),
        "table": str(root / (READS[figure] or "")),
        "slowest_requests": str(root / "tables/slowest_requests.csv"),
        "workload": str(root / f"workloads/{MODEL}/{WORKLOAD}.parquet"),
    }
    return texts(run_plot(figure, given, {"model": MODEL, "workload": WORKLOAD}))


@pytest.mark.parametrize("figure", [name for name, entry in OF_RUNS.items() if entry.sweep is None])
def test_every_figure_draws_them(results: Path, figure: str) -> None:
    assert "nan" not in draw(results, figure).lower().split()


@pytest.mark.parametrize("figure", ["throughput", "latency"])
def test_speed_and_latency_are_of_requests_submitted_at_once(results: Path, figure: str) -> None:
    assert "requests_per_s" not in draw(results, figure)


def test_their_data_leave_arrivals_out(tmp_path: Path) -> None:
    runs = load_runs([write_arriving(tmp_path, "vllm", 2, repeats=1)])
    assert latencies(runs, ["end_to_end"]) == []
    assert speeds(runs, pd.DataFrame(columns=["engine"])) == {}


@pytest.mark.parametrize("figure", ["memory", "memory_parts", "kv_waste"])
def test_memory_is_shown_at_the_highest_rate(results: Path, figure: str) -> None:
    found = draw(results, figure)
    assert "requests_per_s-4" in found
    assert "requests_per_s-1" not in found


def test_only_lower_rates_are_left_out() -> None:
    points = ["base", "block_size-16", "requests_per_s-10", "requests_per_s-2", "requests_per_s-file"]
    table = pd.DataFrame({"engine": "vllm", "point": points})
    other = pd.DataFrame({"engine": ["hf-batch"], "point": ["requests_per_s-2"]})
    kept = without_lower_rates(pd.concat([table, other], ignore_index=True))
    assert kept["point"].tolist() == [*points[:3], "requests_per_s-file", "requests_per_s-2"]
    assert without_lower_rates(table.iloc[:0]).empty
