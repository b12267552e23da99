"""Requests that arrive over time through the real pipeline: rates, the search for a capacity, prediction, map, page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from builders.tiny_overlay import SHAPE
from builders.tree import contents, copy_project, snakemake

MODEL, WORKLOAD = "tiny", "chat"
ENGINES = ["hf-batch", "vllm"]


def overlay(rates: list[float], **slo: float) -> str:
    """Two engines on a tiny shape: rates that are swept, and one that has a map."""
    run = {"models": [MODEL], "workloads": [WORKLOAD], "engines": ENGINES, "max_length": 96, "kv_budget_mib": 0.75}
    return yaml.safe_dump(
        {
            "device": "cpu",
            "repeats": 1,
            "capacity": None,
            "replays": None,
            "paging_price": None,
            "slo": {"ttft_s": 0.5, "tpot_s": 0.5, "bisections": 1, **slo},
            "models": {"smollm2-135m": None, MODEL: {"source": "shape", "dtype": "float32", "shape": SHAPE}},
            "workloads": {"guide": None, "mixed": None, WORKLOAD: {"kind": "mixed", "requests": 24}},
            "runs": [{**run, "requests_per_s": 40}, {**run, "sweep": {"requests_per_s": rates}}],
            "figures": {"formats": ["svg"]},
        }
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished call with two swept rates."""
    tree = copy_project(tmp_path_factory.mktemp("serving") / "tree")
    (tree / "own.yaml").write_text(overlay([20, 2000]))
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml")
    assert done.returncode == 0, done.stderr
    return tree


def table(tree: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(tree / f"results/tables/{name}.csv")


def chosen(tree: Path) -> dict[str, float]:
    return json.loads((tree / f"results/serving/{MODEL}/{WORKLOAD}/rates-1.json").read_text())


def test_every_rate_and_those_of_the_search_are_in_the_table(tree: Path) -> None:
    found = table(tree, "serving")
    for engine in ENGINES:
        rates = {20.0, 40.0, 2000.0} | ({chosen(tree)[engine]} if engine in chosen(tree) else set())
        assert set(found.loc[found["engine"] == engine, "requests_per_s"]) == rates
    assert set(chosen(tree)) <= set(ENGINES)
    assert (found["requests"] == 24).all()
    assert found["attainment_share_median"].between(0, 1).all()
    shares = [name for name in found if name.endswith("_share_of_time")]
    assert found[shares].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)  # six digits in a CSV


def test_capacities_slowest_requests_and_predictions_are_made(tree: Path) -> None:
    assert set(table(tree, "slo_capacity")["engine"]) == set(ENGINES)
    slowest = table(tree, "slowest_requests")
    assert slowest.groupby(["engine", "point"]).size().max() == 10
    predicted = pd.read_csv(tree / f"results/serving/{MODEL}/{WORKLOAD}/predicted.csv")
    assert set(predicted["engine"]) == set(ENGINES)
    names = ["engine", "requests_per_s"]
    live, run = predicted[predicted["is_point"]][names], table(tree, "serving")[names]
    assert set(live.itertuples(index=False, name=None)) == set(run.itertuples(index=False, name=None))
    capacity = table(tree, "predicted_capacity").set_index("engine")
    measured = table(tree, "slo_capacity").set_index("engine")["capacity_per_s"].reindex(capacity.index)
    pd.testing.assert_series_equal(capacity["run_per_s_measured"], measured, check_names=False, check_dtype=False)
    assert set(capacity.index) == set(ENGINES)
    assert (capacity["patterns"] == 24).all()
    claims = table(tree, "claims").set_index("id")
    assert claims.loc["paper-same-latency", "metric"].startswith("slo_capacity_per_s: vllm (slo) / hf-batch (slo)")


def test_the_rate_that_an_entry_names_alone_has_a_map_and_the_report_shows_it(tree: Path) -> None:
    assert (tree / f"results/maps/{MODEL}/{WORKLOAD}/requests_per_s-40.json.gz").is_file()
    assert not (tree / f"results/maps/{MODEL}/{WORKLOAD}/requests_per_s-20.json.gz").exists()
    page = (tree / "results/report.html").read_text()
    assert "chat, 40 requests/s" in page
    for figure in ("latency_rate", "request_time"):
        assert (tree / f"results/figures/{MODEL}/{WORKLOAD}/{figure}.svg").is_file()


def test_a_second_call_has_nothing_to_do(tree: Path) -> None:
    before = contents(tree / "results")
    done = snakemake(tree, "--configfile", "config.yaml", "own.yaml")
    assert done.returncode == 0
    assert not re.search(r"run_(vllm|traditional)", done.stdout + done.stderr)
    assert contents(tree / "results") == before


def test_other_limits_run_only_the_rates_that_they_need(tree: Path) -> None:
    """The capacity is looked for elsewhere; no rate that was run is run again."""
    files = {path: path.stat().st_mtime_ns for path in (tree / "results/runs").rglob("run.json")}
    (tree / "other.yaml").write_text(overlay([20, 2000], ttft_s=1e-6))
    done = snakemake(tree, "--configfile", "config.yaml", "other.yaml")
    assert done.returncode == 0, done.stderr
    assert chosen(tree) == dict.fromkeys(ENGINES, 10.0)  # no rate keeps them: half the lowest
    assert {path: path.stat().st_mtime_ns for path in files} == files
    served = {path.parent for path in (tree / "results/runs").rglob("run.json")}
    halved = {tree / f"results/runs/{MODEL}/{engine}/{WORKLOAD}/requests_per_s-10" for engine in ENGINES}
    assert served - {path.parent for path in files} <= halved <= served  # a slow machine may have run some before
    assert set(table(tree, "slo_capacity")["where"]) == {"below the lowest rate"}
