"""Latencies at rates of arrival are predicted from other rates' steps; the runs are the reference replay's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders.served import COST, lengths, write_served

from kvbench.analysis.results import load_run
from kvbench.analysis.serving_summary import METRICS
from kvbench.replay import prediction
from kvbench.replay.live_run import MODELLED, PAGED
from kvbench.replay.prediction import predicted, served
from kvbench.replay.prediction_table import columns, table
from kvbench.workload.arrivals import due_s
from kvbench.workload.rates import rate_of

SLO = (0.5, 0.05)
RATES = (0.5, 1.0, 1.5)
REQUESTS = lengths(150)


def runs(root, engine="vllm", rates=RATES, **given):
    return [load_run(write_served(root, engine, rate, requests=REQUESTS, **given)) for rate in rates]


def plan(own):
    return prediction.plan(served(own))


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """The table of runs whose steps last exactly as the formula says."""
    return table(plan(runs(tmp_path_factory.mktemp("exact"))), None, SLO)


@pytest.mark.parametrize(
    ("engine", "ahead"), [*((engine, False) for engine in MODELLED), *((engine, True) for engine in PAGED)]
)
def test_steps_by_the_formula_are_predicted_to_the_microsecond(tmp_path, engine, ahead):
    rates = (0.2, 0.4) if "sequential" in engine else (1.0, 2.0)
    found = table(plan(runs(tmp_path, engine, rates, ahead=ahead)), None, SLO)
    live = found[found["is_point"]]
    assert not live["saturated_measured"].any()
    for name in METRICS:
        known = live[f"{name}_measured"].notna()
        assert (known | (name.endswith("p99_s"))).all()
        np.testing.assert_allclose(
            live[f"{name}_predicted"][known].astype(float),
            live[f"{name}_measured"][known].astype(float),
            rtol=1e-3,
            atol=1e-4,
            err_msg=name,
        )


def test_noise_leaves_an_error_of_a_few_percent(tmp_path):
    found = table(plan(runs(tmp_path, noise=0.2)), None, SLO)
    errors = found[found["is_point"]]["normalized_latency_mean_s_relative_error"].astype(float)
    assert errors.abs().max() < 0.05
    assert (errors != 0).all()


def test_a_live_rate_is_predicted_from_the_other_rates(tmp_path):
    """The steps of one rate take twice as long: its own prediction does not know, that of the others does in part."""
    plain = runs(tmp_path, rates=(0.5, 1.0))
    cost = dataclasses.replace(COST, constant_ns=2 * COST.constant_ns)
    slow = load_run(write_served(tmp_path, "vllm", 1.5, requests=REQUESTS, cost=cost))
    found = plan([*plain, slow])
    by_rate = {one.per_s: one.fitted.step_time.constant_ns for one in found if one.is_point}
    assert by_rate[1.5] == pytest.approx(COST.constant_ns, rel=0.01)
    assert by_rate[0.5] > 1.2 * COST.constant_ns
    assert [one.fit_points for one in found if one.is_point] == [2, 2, 2]
    assert {one.fit_points for one in found if not one.is_point} == {3}


def test_the_grid_goes_beyond_the_highest_rate_at_equal_ratios(exact):
    grid = exact[~exact["is_point"]]["requests_per_s"].to_numpy()
    assert len(grid) == 11  # 0.5 is a live point
    assert grid[-1] == pytest.approx(2.25)
    np.testing.assert_allclose(np.diff(np.log(grid)), np.log(4.5) / 11)
    assert exact[~exact["is_point"]][[f"{name}_measured" for name in METRICS]].isna().all(axis=None)


def test_patterns_of_arrival_are_those_of_the_rate_itself(tmp_path):
    """Slower or faster, a pattern is the one that a live run at the rate would have."""
    one = next(one for one in plan(runs(tmp_path)) if not one.is_point)
    for repeat in one.source.repeats:
        scaled = np.sort(repeat.requests["due_s"]) * one.source.per_s / one.per_s
        np.testing.assert_allclose(scaled, due_s(len(REQUESTS), one.per_s, 0, repeat.repeat), atol=1e-8)


def test_latency_grows_with_the_rate_and_too_high_a_rate_is_marked(tmp_path):
    found = table(plan(runs(tmp_path, rates=(1.0, 2.0, 30.0), repeats=3)), None, SLO).sort_values("requests_per_s")
    for _, own in found.groupby("is_point"):  # at points with a step time from the others
        assert own["normalized_latency_mean_s_predicted"].is_monotonic_increasing
    live = found[found["is_point"]].set_index("requests_per_s")
    assert live["saturated_measured"].tolist() == live["saturated_predicted"].tolist() == [False, False, True]
    assert live["fit_points"].tolist() == [1, 1, 2]
    assert live["ttft_median_s_relative_error"].isna().tolist() == [False, False, True]
    assert live["completed_per_s_predicted"].iloc[-1] < 30


def test_a_single_rate_has_a_grid_and_no_error(tmp_path):
    found = table(plan(runs(tmp_path, rates=(1.0,))), None, SLO)
    live, grid = found[found["is_point"]], found[~found["is_point"]]
    assert live["constant_s"].isna().all()
    assert live["normalized_latency_mean_s_measured"].notna().all()
    assert grid["normalized_latency_mean_s_predicted"].notna().all()


def test_only_rates_of_engines_that_are_modelled_count(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 1.0))
    others = [
        dataclasses.replace(run, record={**run.record, **change})
        for change in ({"point": "requests_per_s-file"}, {"point": "base"}, {"engine": "hf-continuous"})
    ]
    assert [rate_of(one.point) for one in (run, *others)] == [1.0, None, None, 1.0]
    assert plan(others) == []
    assert table([], None, SLO).columns.tolist() == columns()


def test_the_step_time_is_told_with_its_fit(exact):
    row = exact[exact["is_point"]].iloc[0]
    assert row[["constant_s", "per_token_s", "per_sequence_s", "prefill_s"]].tolist() == pytest.approx(
        [0.01, 1e-4, 2e-3, 4e-3], rel=1e-3
    )
    assert row["fit_steps"] > 1000
    assert row["fit_r2"] == pytest.approx(1)
    assert row["relative_residual_p50"] == pytest.approx(0, abs=1e-4)


def test_progress_is_told_by_rate(tmp_path):
    told, found = [], plan(runs(tmp_path, rates=(1.0, 2.0)))
    table(found, None, SLO, told.append)
    assert told == [1] * len(found)


def test_a_replay_at_a_rate_does_not_need_the_live_rate(tmp_path):
    one = plan(runs(tmp_path, rates=(1.0, 2.0)))[0]
    slower, _ = predicted(dataclasses.replace(one, per_s=0.01), COST, None, SLO)
    assert slower["ttft_median_s"] < 0.05
