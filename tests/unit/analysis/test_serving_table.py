"""The table of runs with arrivals: rates, latencies and saturation of a server of known speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.arriving_runs import SLO, TOKEN_S, write_arriving
from builders.bandwidth import bandwidth
from builders.runs import write_run

from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_runs, serving


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    root = tmp_path_factory.mktemp("runs")
    runs = [write_arriving(root, "vllm", rate, places=8) for rate in (0.5, 20)]
    runs.append(write_arriving(root, "hf-batch", 0.5, places=8, repeats=1))
    return serving.table(load_runs(runs), SLO, 0).set_index(["engine", "requests_per_s"])


def test_an_idle_server_takes_one_token_time_and_a_busy_one_is_saturated(table: pd.DataFrame) -> None:
    idle, busy = table.loc["vllm", 0.5], table.loc["vllm", 20]
    assert not idle["saturated"]
    assert idle["ttft_s_median"] == pytest.approx(TOKEN_S + 0.001)
    assert idle["tpot_s_median"] == pytest.approx(TOKEN_S)
    assert idle["itl_s_p90"] == pytest.approx(TOKEN_S)
    assert idle["attainment_share_median"] == 1
    assert idle["offered_per_s"] == pytest.approx(0.5, rel=0.25)
    assert busy["saturated"]
    assert busy["completed_per_s_median"] < 0.5 * busy["offered_per_s"]
    assert busy["attainment_share_median"] < 0.5
    assert np.isnan([busy[f"{name}_median"] for name in serving.AVERAGED]).all()
    assert np.isnan([busy[f"{name}_p90"] for name in serving.TAILS]).all()


def test_goodput_is_what_is_completed_within_the_limits(table: pd.DataFrame) -> None:
    idle = table.loc["vllm", 0.5]
    assert idle["goodput_per_s_median"] == pytest.approx(idle["completed_per_s_median"])


def test_lateness_is_of_the_client(table: pd.DataFrame) -> None:
    assert table.loc["vllm", 0.5]["lateness_p99_s"] == pytest.approx(0.0005)
    assert not table["late"].any()


def test_shares_of_time_add_up_to_one(table: pd.DataFrame) -> None:
    shares = table[[name for name in table if name.endswith("_share_of_time")]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert table.loc["vllm", 20]["memory_wait_share_of_time"] > 0.5


def test_one_repeat_has_no_interval_but_values(table: pd.DataFrame) -> None:
    one = table.loc["hf-batch", 0.5]
    assert np.isnan(one["ttft_s_ci95_low"])
    assert one["normalized_s_per_token_median"] > TOKEN_S


def test_runs_with_arrivals_have_no_throughput(tmp_path: Path) -> None:
    arriving = write_arriving(tmp_path, "vllm", 2)
    runs = load_runs([arriving, write_run(tmp_path, "vllm")])
    found = of_runs.tables(runs, bandwidth(), 0)
    for name in ("throughput", "latency", "ratios", "attribution", "roofline", "repeats"):
        assert set(found[name].get("point", ["base"])) <= {"base"}, name
    assert set(found["kv_waste"]["point"]) == {"base", "requests_per_s-2"}
    alone = of_runs.tables(load_runs([arriving]), bandwidth(), 0)
    for name, table in alone.items():
        assert len(table.columns) == len(found[name].columns) or name in ("ratios", "attribution"), name


def test_without_arrivals_the_table_has_its_columns_only(tmp_path: Path) -> None:
    found = serving.table(load_runs([write_run(tmp_path, "vllm")]), SLO, 0)
    assert found.empty
    assert list(found.columns) == serving.columns()
