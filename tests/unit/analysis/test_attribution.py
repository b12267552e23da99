"""Attribution: factors over the same requests multiply; capacity of paging needs memory that binds, price does not."""

import math

import pandas as pd
import pytest
from builders.changed_runs import changed_record
from builders.runs import ALL_ENGINES, write_run, write_runs
from builders.simulated_engine import simulate
from builders.simulated_requests import make_requests
from builders.speeds import median_speed
from builders.tables import factor_row

from kvbench.analysis.results import load_run, load_runs
from kvbench.analysis.tables import attribution, ratios
from kvbench.analysis.tables.repeats import for_blocks, steps_of
from kvbench.errors import UserError
from kvbench.files import read_json, write_json

CAPACITY, PRICE = "capacity of paging", "price of paging"
SPEED = "output_tokens_per_s_median"


@pytest.fixture(scope="module")
def table(long_runs):
    return attribution.table(long_runs, seed=0)


def test_chain_and_total_are_of_the_subset_and_capacity_also_of_all(long_runs, table):
    assert set(table.loc[table["part"] != "side", "scope"]) == {"sequential"}
    assert set(table.loc[table["part"] != "side", "requests"]) == {4}
    engines = {run.engine: run for run in long_runs}
    capacity = factor_row(table, CAPACITY, "side")
    assert (capacity["scope"], capacity["requests"], capacity["measurable"]) == ("all", 60, "yes")
    assert capacity["ratio"] == pytest.approx(median_speed(engines["vllm"]) / median_speed(engines["vllm-reserved"]))
    batching = factor_row(table, "batching")
    assert batching[f"denominator_{SPEED}"] == pytest.approx(median_speed(engines["vllm-sequential"], "sequential"))
    assert batching["ratio"] == pytest.approx(batching[f"numerator_{SPEED}"] / batching[f"denominator_{SPEED}"])
    assert batching["ratio_ci95_low"] < batching["ratio"] < batching["ratio_ci95_high"]


def test_capacity_prints_no_gain_where_nothing_waits_but_keeps_both_speeds(table):
    row = factor_row(table, CAPACITY)
    assert row[f"numerator_{SPEED}"] > 1.2 * row[f"denominator_{SPEED}"]
    assert row[["ratio", "ratio_ci95_low", "ratio_ci95_high", "interval_against_1"]].isna().all()
    assert row["measurable"] == "not measurable here"
    assert row["reason"].startswith("requests waited in 0% of vllm's steps")


def test_where_reservations_alone_keep_requests_waiting_the_reason_says_so(tmp_path):
    """10 requests: the pool has blocks for nearly all from the start, but reservations for only 4."""
    runs = load_runs(write_runs(tmp_path, ("vllm-reserved", "vllm"), requests=make_requests(10, 1)))
    row = factor_row(attribution.table(runs, 0), CAPACITY, "side")
    shares = [row[f"{arm}_steps_waiting_share"] for arm in attribution.ARMS]
    assert shares[0] < 0.5 < shares[1]
    expected = f"{shares[0]:.0%} of vllm's steps and {shares[1]:.0%} of vllm-reserved's, so that a ratio would be"
    assert expected in row["reason"]
    assert pd.isna(row["ratio"])


def test_a_product_of_two_scopes_says_so_and_is_not_the_total(table):
    total = factor_row(table, "total", "total")
    factors = [
        factor_row(table, "runtime and kernels"),
        factor_row(table, "batching"),
        factor_row(table, PRICE),
        factor_row(table, CAPACITY, "side"),
    ]
    assert total["product"] == pytest.approx(math.prod(row["ratio"] for row in factors))
    assert total["product_over_ratio"] == pytest.approx(total["product"] / total["ratio"])
    assert total["product_over_ratio"] > 1.5
    assert total["product_is"].startswith("not exact: capacity of paging is of all requests")


def test_without_a_subset_the_product_is_the_total(tmp_path):
    """With one scope, every factor covers all requests, and capacity and price of paging appear once."""
    paths = write_runs(tmp_path, ALL_ENGINES, requests=make_requests(40, 1))
    for path in paths:
        with changed_record(path) as record:
            kept = [r for r in record["repeats"] if r["scope"] == "all"]
            if not kept:
                kept = [r | {"scope": "all"} for r in record["repeats"]]
            record["repeats"] = kept
    for name in ("hf-sequential", "vllm-sequential"):
        requests = {"requests": make_requests(40, 1), "sequential": 40}
        path = write_run(tmp_path, name, **requests)
        record = read_json(path)
        write_json(path, record | {"repeats": [r | {"scope": "all"} for r in record["repeats"]]})
    found = attribution.table(load_runs(paths), 0)
    assert [list(found["factor"]).count(name) for name in (CAPACITY, PRICE)] == [1, 1]
    assert set(found["scope"]) == {"all"}
    total = factor_row(found, "total", "total")
    assert total["product_is"] == "exact: all factors are of the same requests"
    assert total["product"] == pytest.approx(total["ratio"], rel=1e-12)


def test_shares_of_waiting_are_counted_from_the_simulated_steps(table):
    row = factor_row(table, CAPACITY, "side")
    steps = simulate("vllm", make_requests(60, 1), 1088).steps
    waiting = sum(step.waiting > 0 for step in steps) / len(steps)
    assert row["numerator_steps_waiting_share"] == pytest.approx(waiting)
    short = sum(step.waiting > 0 and step.pool - sum(step.split.values()) < 512 for step in steps) / len(steps)
    assert row["numerator_steps_waiting_for_blocks_share"] == pytest.approx(short)
    assert 0.5 < short <= waiting < row["denominator_steps_waiting_share"]


@pytest.mark.parametrize("limit", [{"max_num_seqs": 4}, {"max_num_batched_tokens": 4}])
def test_waiting_for_another_limit_is_not_waiting_for_blocks(tmp_path, limit):
    """Here max_num_seqs or max_num_batched_tokens is the limit, so more blocks would not help."""
    path = write_run(tmp_path, "vllm", requests=make_requests(60, 1), repeats=2)
    run = load_run(path)
    steps = steps_of(run)
    steps = steps[steps["repeat"].isin(run.timed_numbers("all"))]
    before = for_blocks(run, steps)
    with changed_record(path) as record:
        record["settings"]["in_force"] |= limit
    changed = load_run(path)
    assert for_blocks(changed, steps) < 0.25 < 0.5 < before
    reserved = load_run(write_run(tmp_path, "vllm-reserved", requests=make_requests(60, 1), repeats=2))
    row = factor_row(attribution.table([changed, reserved], 0), CAPACITY, "side")
    assert row["measurable"] == "not measurable here"
    assert "max_num_seqs or max_num_batched_tokens" in row["reason"]
    assert pd.isna(row["ratio"])


def test_a_pool_with_room_is_not_short_of_blocks(long_runs):
    run = next(run for run in long_runs if run.engine == "vllm")
    steps = steps_of(run)
    assert for_blocks(run, steps.assign(pool=steps["allocated"] + 512)) == 0
    assert for_blocks(run, steps.assign(pool=steps["allocated"] + 511, waiting=1)) == 1


def test_a_missing_arm_leaves_its_factor_empty_with_the_reason(long_runs):
    some = [run for run in long_runs if run.engine not in ("vllm-reserved", "hf-continuous")]
    found = attribution.table(some, 0)
    for factor, part in ((PRICE, "chain"), (PRICE, "side"), (CAPACITY, "chain"), (CAPACITY, "side")):
        row = factor_row(found, factor, part)
        assert (row["measurable"], row["reason"]) == ("not run", "vllm-reserved was not run")
        assert pd.isna(row["ratio"])
    assert factor_row(found, "runtime and kernels")["measurable"] == "yes"
    total = factor_row(found, "total", "total")
    assert total["ratio"] > 1
    assert pd.isna(total["product"])
    assert total["product_is"] == "not formed: no ratio for price of paging and capacity of paging"


def test_pools_of_different_size_are_no_measure_of_capacity(tmp_path, long_runs):
    kept = [run for run in long_runs if run.engine == "vllm"]
    other = load_run(write_run(tmp_path, "vllm-reserved", requests=make_requests(60, 1), slots=1056))
    row = factor_row(attribution.table([*kept, other], 0), CAPACITY, "side")
    assert row["reason"] == "the pools differ: 34 and 33 blocks"
    assert pd.isna(row["ratio"])


def test_the_price_of_paging_stands_between_batching_and_capacity(long_runs, table):
    """The simulated vllm-contiguous takes 0.9 of the time of vllm-reserved for the same steps."""
    chain = table[table["part"] == "chain"]
    pairs = [f"{row['numerator']} / {row['denominator']}" for _, row in chain.iterrows()]
    assert list(chain["factor"]) == ["runtime and kernels", "batching", PRICE, CAPACITY]
    assert pairs == [
        "vllm-sequential / hf-sequential",
        "vllm-contiguous / vllm-sequential",
        "vllm-reserved / vllm-contiguous",
        "vllm / vllm-reserved",
    ]
    engines = {run.engine: run for run in long_runs}
    for part, scope, requests in (("chain", "sequential", 4), ("side", "all", 60)):
        row = factor_row(table, PRICE, part)
        speeds = [median_speed(engines[name], scope) for name in ("vllm-reserved", "vllm-contiguous")]
        assert (row["scope"], row["requests"], row["measurable"]) == (scope, requests, "yes")
        assert row["ratio"] == pytest.approx(speeds[0] / speeds[1])
        assert row["ratio"] == pytest.approx(0.9, rel=0.05)
    assert row["ratio_ci95_high"] < 1
    assert row["interval_against_1"] == "below 1"
    assert pd.isna(row["numerator_steps_waiting_for_blocks_share"])


def test_without_a_contiguous_engine_batching_is_that_of_the_paged_one(long_runs, table):
    found = attribution.table([run for run in long_runs if run.engine != "vllm-contiguous"], 0)
    chain = found[found["part"] == "chain"]
    assert list(chain["factor"]) == ["runtime and kernels", "batching", CAPACITY]
    batching = factor_row(found, "batching")
    assert (batching["numerator"], batching["denominator"]) == ("vllm-reserved", "vllm-sequential")
    both = factor_row(table, "batching")["ratio"] * factor_row(table, PRICE)["ratio"]
    assert batching["ratio"] == pytest.approx(both, rel=1e-12)
    price = factor_row(found, PRICE, "side")
    assert (price["measurable"], price["reason"]) == ("not run", "vllm-contiguous was not run")
    totals = [factor_row(one, "total", "total") for one in (found, table)]
    assert totals[0]["product"] == pytest.approx(totals[1]["product"], rel=1e-12)


@pytest.mark.parametrize(
    ("in_force", "problem"),
    [
        ({"max_num_seqs": 1}, "requests at once: 2 and 1"),
        ({"attention_kernels": ["FLASHINFER"]}, "attention kernels: None and FLASHINFER"),
    ],
)
def test_engines_that_differ_in_more_than_blocks_have_no_price(tmp_path, in_force, problem):
    paths = write_runs(tmp_path, ("vllm-reserved", "vllm-contiguous"))
    with changed_record(paths[1]) as record:
        record["settings"]["in_force"] |= in_force
    row = factor_row(attribution.table(load_runs(paths), 0), PRICE, "side")
    assert row["measurable"] == "not measurable here"
    assert row["reason"] == f"vllm-reserved and vllm-contiguous differ in {problem}"
    assert pd.isna(row["ratio"])
    assert row[f"numerator_{SPEED}"] > 0


def test_requests_of_the_same_lengths_but_other_tokens_are_not_the_same(tmp_path):
    paths = write_runs(tmp_path, ("hf-sequential", "vllm-sequential"))
    with changed_record(paths[1]) as record:
        record["digests"]["workload"] = dict.fromkeys(record["digests"]["workload"], "other")
    row = factor_row(attribution.table(load_runs(paths), 0), "runtime and kernels")
    assert (row["measurable"], row["reason"]) == ("not run", "the two engines have no repeats of the same requests")
    with pytest.raises(UserError, match="its requests or tokens differ"):
        ratios.table(load_runs(paths), 0)


def test_few_repeats_give_no_interval(tmp_path):
    found = attribution.table(load_runs(write_runs(tmp_path, ("hf-sequential", "vllm-sequential"), repeats=5)), 0)
    row = factor_row(found, "runtime and kernels")
    assert row["ratio"] > 1
    assert pd.isna(row["ratio_ci95_low"])
    assert row["reason"] == "n = 5; an interval needs 6 repeats"
