"""Capacities over patterns of arrivals are predicted from steps of live runs; the runs are the reference replay's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders.served import lengths, write_served

from kvbench.analysis.results import load_run
from kvbench.analysis.slo_capacity import BEYOND, attained, over_repeats
from kvbench.replay.predicted_capacity import FINENESS, LONGER, PATTERNS, paired, predict, servers
from kvbench.replay.predicted_capacity_table import columns, table
from kvbench.replay.prediction import served

SLO = {"ttft_s": 0.3, "tpot_s": 0.05, "share": 0.9}
RATES = (6.0, 11.0, 17.0)
REQUESTS = lengths(120)


def runs(root, engine="vllm", rates=RATES, **given):
    return [load_run(write_served(root, engine, rate, requests=REQUESTS, **given)) for rate in rates]


def predicted(own, told=None):
    return [predict(one, SLO, told) for one in servers(served(own), None)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Runs of paging and of reservations whose steps last exactly as the formula says."""
    root = tmp_path_factory.mktemp("served")
    return [*runs(root, "vllm-reserved-oracle", pool=128), *runs(root, "vllm", pool=128)]


@pytest.fixture(scope="module")
def found(both):
    return table(predicted(both), SLO, 0).set_index("engine")


def test_steps_by_the_formula_give_the_shares_that_were_measured(both):
    for server in servers(served(both), None):
        live = attained([point.run for point in server.served.points], SLO)
        for rate, own in live.items():
            again = [server.within_share(server.trace, rate, repeat, SLO) for _, repeat in own]
            assert again == pytest.approx(list(own.values()), abs=1.5 / len(REQUESTS))


def test_the_capacity_at_what_was_run_is_the_measured_one(both, found):
    for engine, row in found.iterrows():
        live = over_repeats(attained([run for run in both if run.engine == engine], SLO), SLO["share"])
        assert live.per_s is not None
        assert row["run_per_s_measured"] == live.per_s
        assert row["run_per_s_predicted"] == pytest.approx(live.per_s, rel=0.02)
    np.testing.assert_allclose(
        found["run_per_s_relative_error"], found["run_per_s_predicted"] / found["run_per_s_measured"] - 1
    )


def test_a_capacity_lies_where_the_share_falls(both):
    one = predicted(both)[-1]
    for number in (1, 2):
        capacity = one.each[number - 1]
        assert one.server.within_share(one.server.long_trace, 0.95 * capacity, number, SLO) >= SLO["share"]
        assert one.server.within_share(one.server.long_trace, FINENESS * capacity, number, SLO) < SLO["share"]


def test_a_longer_pattern_asks_for_a_rate_that_can_go_on(both):
    server = servers(served(both), None)[-1]
    short, long = server.trace, server.long_trace
    assert long.prompt_tokens.tolist() == LONGER * short.prompt_tokens.tolist()
    assert long.output_tokens.tolist() == LONGER * short.output_tokens.tolist()
    rate = 2 * max(predict(server, SLO).each)  # more than it can serve
    shares = [[server.within_share(trace, rate, number, SLO) for number in range(1, 7)] for trace in (short, long)]
    assert 2 * np.mean(shares[1]) < np.mean(shares[0])


def test_requests_that_share_prefixes_are_not_repeated(both):
    server = servers(served(both), None)[-1]
    server.__dict__["settings"] = dataclasses.replace(server.settings, prefix_sharing=True)
    assert server.long_trace is server.trace


def test_patterns_differ_and_their_interval_is_of_the_median(found):
    row = found.loc["vllm"]
    assert row["patterns"] == row["known_patterns"] == PATTERNS
    assert row["requests"] == LONGER * len(REQUESTS)
    assert row["patterns_per_s_min"] < row["patterns_per_s_ci95_low"] < row["patterns_per_s_median"]
    assert row["patterns_per_s_median"] < row["patterns_per_s_ci95_high"] < row["patterns_per_s_max"]


def test_ratios_are_of_the_same_pattern(both, found):
    above, below = sorted(predicted(both), key=lambda one: one.server.run.engine != "vllm")
    each = [one / other for one, other in zip(above.each, below.each, strict=True)]
    assert found.loc["vllm-reserved-oracle", "vllm_ratio_median"] == pytest.approx(np.median(each))
    assert found.loc["vllm-reserved-oracle", "vllm_ratio_max"] == pytest.approx(max(each))
    assert found.loc["vllm"].filter(like="vllm_ratio").isna().all()
    assert paired([4.0, None, 2.0], [2.0, 1.0, None]) == [2.0, None, None]


def test_a_capacity_beyond_the_rates_is_not_guessed(tmp_path):
    one = predicted(runs(tmp_path, rates=(0.01, 0.02)))[0]
    assert one.server.rates[0] == pytest.approx(0.01 / BEYOND)
    assert one.server.rates[-1] == pytest.approx(0.02 * BEYOND)
    assert (one.server.rates[1:] / one.server.rates[:-1]).max() <= FINENESS
    assert set(one.each) == {None}
    row = table([one], SLO, 0).iloc[0]
    assert row["known_patterns"] == 0
    assert row[["patterns_per_s_median", "run_per_s_predicted", "run_per_s_relative_error"]].isna().all()


def test_a_single_rate_has_capacities_and_none_measured(tmp_path):
    row = table(predicted(runs(tmp_path, rates=(12.0,), pool=128)), SLO, 0).iloc[0]
    assert row["patterns_per_s_median"] > 0
    assert row[["run_per_s_predicted", "run_per_s_measured"]].isna().all()


def test_an_engine_without_a_step_time_is_left_out(tmp_path):
    """All of its rates are saturated."""
    assert servers(served(runs(tmp_path, rates=(300.0,), repeats=3)), None) == []
    assert table([], SLO, 0).columns.tolist() == columns()


def test_padded_batches_are_predicted(tmp_path):
    one = predicted(runs(tmp_path, "hf-batch", (4.0, 8.0)))[0]
    assert one.again.per_s == pytest.approx(one.measured.per_s, rel=0.01)
    assert None not in one.each


def test_progress_is_told_by_pattern(tmp_path):
    told = []
    predicted(runs(tmp_path, rates=(8.0,)), told.append)
    assert told == [1] * PATTERNS
