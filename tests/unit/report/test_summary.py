"""The report's sentences state what the tables hold, and nothing where the tables have no value."""

from __future__ import annotations

import pandas as pd
import pytest
from builders.bandwidth import bandwidth
from builders.runs import write_runs
from builders.simulated_requests import make_requests

from kvbench.analysis.results import load_runs
from kvbench.analysis.slo_capacity import ABOVE, BELOW, BRACKETED
from kvbench.analysis.tables import attribution, kv_waste, ratios, repeats, roofline, sharing, sweeps, throughput
from kvbench.analysis.tables.hosts import GPUS_DIFFER, HOSTS_DIFFER
from kvbench.report import rate_answer
from kvbench.report.summary import sentences

PAIR = ("smollm2-135m", "mixed")

BANDWIDTH = bandwidth(1e12)
PARITY = {"model": "smollm2-135m", "workload": "mixed", "engine": "vllm", "point": "base", "comparable": "yes"}

NO_SWEEPS = pd.DataFrame(columns=list(sweeps.COLUMNS))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    runs = load_runs(write_runs(tmp_path_factory.mktemp("runs")))
    return {
        "throughput": throughput.table(runs, 0),
        "ratios": ratios.table(runs, 0),
        "attribution": attribution.table(runs, 0),
        "kv_waste": kv_waste.table(runs),
        "roofline": roofline.table(runs, BANDWIDTH, 0),
        "repeats": repeats.table(runs),
        "sharing": sharing.table(runs, repeats.table(runs), 0),
        "sweeps": NO_SWEEPS,
        "parity": pd.DataFrame([{**PARITY, "share_equal": 0.75, "requests_compared": 8}]),
    }


def test_speed_has_the_ratio_and_both_absolute_values(tables):
    [line] = [s for s in sentences(tables, "smollm2-135m", "mixed") if "of hf-batch:" in s]
    row = tables["ratios"].query("numerator == 'vllm' and denominator == 'hf-batch' and scope == 'all'").iloc[0]
    assert f"{row['ratio']:.3g} [{row['ratio_ci95_low']:.3g}, {row['ratio_ci95_high']:.3g}] times" in line
    assert f"{row['numerator_output_tokens_per_s_median']:,.4g} against" in line
    assert f"{row['denominator_output_tokens_per_s_median']:,.4g}," in line


def test_a_speed_up_between_two_hosts_is_said_to_be(tables):
    found = tables["ratios"].assign(same_host=False, same_gpus=False)
    lines = [s for s in sentences({**tables, "ratios": found}, "smollm2-135m", "mixed") if s.startswith("vllm made")]
    assert lines
    assert all(line.endswith(f"; {HOSTS_DIFFER}.") for line in lines)


def test_a_batch_that_ran_out_of_memory_stands_beside_what_fit(tables):
    assert not [s for s in sentences(tables, "smollm2-135m", "mixed") if "ran out" in s]
    table = tables["throughput"].copy()
    chosen = (table["engine"] == "hf-batch") & (table["scope"] == "all")
    table.loc[chosen, ["largest_batch_rows", "out_of_memory_rows"]] = [7, 9]
    [line] = [s for s in sentences({**tables, "throughput": table}, "smollm2-135m", "mixed") if "ran out" in s]
    assert line.startswith("hf-batch ran out of the device's memory with a batch of 9 requests")
    assert line.endswith("; 7 fit.")


def test_slots_name_the_largest_part_that_is_not_live(tables):
    [line] = [s for s in sentences(tables, "smollm2-135m", "mixed") if s.startswith("hf-static:")]
    row = tables["kv_waste"].query("engine == 'hf-static'").iloc[0]
    rest = row[[f"{name}_share_of_allocated" for name in ("reserved", "internal", "padding", "finished")]].astype(float)
    assert f"{row['live_share_of_allocated']:.1%} of the allocated slots" in line
    assert f"({rest.max():.1%})" in line


@pytest.mark.parametrize("engines", [("hf-sequential", "vllm"), ("vllm-sequential", "vllm-reserved", "vllm")])
def test_no_chain_without_its_ends_or_its_factors(tables, tmp_path, engines):
    found = attribution.table(load_runs(write_runs(tmp_path, engines)), 0)
    lines = sentences({**tables, "attribution": found}, "smollm2-135m", "mixed")
    assert not [s for s in lines if s.startswith("Of vllm over hf-sequential")]


def test_capacity_of_paging_without_a_number_gives_the_reason(tables):
    [line] = [s for s in sentences(tables, "smollm2-135m", "mixed") if s.startswith("Capacity of paging")]
    assert line == "Capacity of paging has no number here: vllm-reserved was not run."


def test_capacity_of_paging_without_a_number_keeps_both_speeds(tables, tmp_path):
    runs = load_runs(write_runs(tmp_path, ("vllm-reserved", "vllm"), requests=make_requests(10, 1)))
    found = attribution.table(runs, 0)
    row = found.query("factor == 'capacity of paging' and scope == 'all'").iloc[0]
    speeds = " against ".join(f"{row[f'{arm}_output_tokens_per_s_median']:,.4g}" for arm in attribution.ARMS)
    lines = sentences({**tables, "attribution": found}, "smollm2-135m", "mixed")
    [line] = [s for s in lines if s.startswith("Capacity of paging")]
    assert line.startswith(f"Capacity of paging has no number here ({speeds} output tokens per second): ")


def test_a_factor_of_the_chain_without_a_number_is_said_beside_the_others(tables, tmp_path):
    engines = ("hf-sequential", "vllm-sequential", "vllm-reserved", "vllm")
    found = attribution.table(load_runs(write_runs(tmp_path, engines, requests=make_requests(60))), 0)
    lines = sentences({**tables, "attribution": found}, "smollm2-135m", "mixed")
    [line] = [s for s in lines if s.startswith("Of vllm over hf-sequential")]
    batching = found.query("factor == 'batching'").iloc[0]
    assert f"batching × {batching['ratio']:.3g} [" in line
    assert (
        "; capacity of paging has no number on these requests: requests waited in 0% of vllm's steps; memory counts"
        in line
    )


def test_what_limits_a_factor_is_said_once_for_all_of_which_it_is_true(tables, tmp_path):
    engines = ("hf-sequential", "vllm-sequential", "vllm-contiguous", "vllm-reserved", "vllm")
    found = attribution.table(load_runs(write_runs(tmp_path, engines, requests=make_requests(60))), 0)
    measured = found["ratio"].notna()
    found.loc[measured & found["factor"].isin(["batching", "price of paging"]), "reason"] = GPUS_DIFFER
    lines = sentences({**tables, "attribution": found}, "smollm2-135m", "mixed")
    [chain] = [s for s in lines if s.startswith("Of vllm over hf-sequential")]
    assert f"]; batching, price of paging: {GPUS_DIFFER}; capacity of paging has no number" in chain
    [price] = [s for s in lines if s.startswith("Price of paging")]
    assert price.endswith(f"; {GPUS_DIFFER}.")


def test_capacity_of_paging_with_a_number_says_how_often_requests_waited(tmp_path):
    runs = load_runs(write_runs(tmp_path, ("vllm-reserved", "vllm"), requests=make_requests(60)))
    found = {
        "attribution": attribution.table(runs, 0),
        "throughput": throughput.table(runs, 0),
        "ratios": ratios.table(runs, 0),
        "kv_waste": kv_waste.table(runs),
    }
    found |= {"roofline": roofline.table(runs, BANDWIDTH, 0)}
    found |= {"sharing": sharing.table(runs, repeats.table(runs), 0), "sweeps": NO_SWEEPS}
    found |= {"repeats": repeats.table(runs), "parity": pd.DataFrame(columns=list(PARITY))}
    lines = sentences(found, "smollm2-135m", "mixed")
    row = found["attribution"].query("factor == 'capacity of paging' and scope == 'all'").iloc[0]
    assert pd.notna(row["ratio"])
    [line] = [s for s in lines if s.startswith("Capacity of paging")]
    assert f"{row['ratio']:.3g}" in line
    assert not [s for s in lines if s.startswith("Of vllm over hf-sequential")]
    assert f"({row['numerator_output_tokens_per_s_median']:,.4g} against " in line
    assert f"{row['numerator_steps_waiting_for_blocks_share']:.0%} of vllm's steps" in line
    assert any("in progress at once with paging" in s for s in lines)


@pytest.mark.parametrize(
    ("ratio", "low", "high", "place"),
    [(0.94, 0.92, 0.96, "is below 1"), (0.98, 0.95, 1.01, "includes 1"), (1.05, 1.02, 1.08, "is above 1")],
)
def test_the_price_of_paging_is_a_ratio_with_the_place_of_its_interval(tables, ratio, low, high, place):
    row = dict.fromkeys(attribution.COLUMNS) | {"model": "smollm2-135m", "workload": "mixed", "point": "base"}
    row |= {"part": "side", "factor": "price of paging", "numerator": "vllm-reserved", "denominator": "vllm-contiguous"}
    row |= {"scope": "all", "requests": 13, "measurable": "yes", "ratio": ratio, "ratio_ci95_low": low}
    row |= {"ratio_ci95_high": high, "interval_against_1": place.removeprefix("is ")}
    row |= {"numerator_output_tokens_per_s_median": 47.0, "denominator_output_tokens_per_s_median": 50.0}
    lines = sentences({**tables, "attribution": pd.DataFrame([row])}, "smollm2-135m", "mixed")
    [line] = [s for s in lines if s.startswith("Price of paging")]
    assert line == (
        f"Price of paging, vllm-reserved over vllm-contiguous on all requests: {ratio} [{low}, {high}] times the "
        f"output tokens per second (47 against 50); the interval {place}."
    )


def test_a_price_of_paging_that_was_not_run_is_not_mentioned(tables):
    assert not [s for s in sentences(tables, "smollm2-135m", "mixed") if "rice of paging" in s]


def test_sharing_has_what_was_saved_and_both_speeds(tables):
    row = {"model": "smollm2-135m", "workload": "swept", "engine": "vllm", "saved_share_median": 0.3654, "requests": 8}
    row |= {"shared_output_tokens_per_s_median": 56.46, "unshared_output_tokens_per_s_median": 48.78}
    row |= {"ratio": 1.1575, "ratio_ci95_low": 1.13, "ratio_ci95_high": 1.26}
    [line] = sentences({**tables, "sharing": pd.DataFrame([row])}, "smollm2-135m", "swept")
    assert "vllm held 36.5% fewer of them than" in line
    assert "made 1.16 [1.13, 1.26] times the output tokens per second: 56.46 against 48.78, on the same 8" in line


def test_sweeps_have_their_first_and_last_point_and_where_the_replay_is_equal(tables):
    row = dict.fromkeys(sweeps.COLUMNS) | {"model": "smollm2-135m", "workload": "swept", "engine": "vllm"}
    sizes = [(32, 0.7, 43.79, "yes"), (64, 0.6, 40.0, "no"), (128, 0.3, 35.89, "yes")]
    rows = [
        {**row, "sweep": "block_size", "block_size": size, "live_share_of_allocated_median": share}
        | {"output_tokens_per_s_median": speed, "equals_replay": equal}
        for size, share, speed, equal in sizes
    ]
    rows += [
        {**row, "sweep": "kv_budget_mib", "pool_slots": slots, "preemptions_per_request_median": preemptions}
        | {"recomputed_share_of_computed_median": again, "output_tokens_per_s_median": speed}
        for slots, preemptions, again, speed in [(1600, 0.375, 0.167, 34.38), (5440, 0, 0, 48.98)]
    ]
    assert sentences({**tables, "sweeps": pd.DataFrame(rows)}, "smollm2-135m", "swept") == [
        "vllm, by block size: with 32 tokens a block 70.0% of the allocated slots held a token, at 43.79 output tokens "
        "per second; with 128 tokens a block 30.0% of the allocated slots held a token, at 35.89 output tokens per "
        "second.",
        "vllm, by KV budget: in 1,600 slots 0.375 preemptions a request, 16.7% of the computed tokens computed before, "
        "34.38 output tokens per second; in 5,440 slots 0 preemptions a request, 0.0% of the computed tokens computed "
        "before, 48.98 output tokens per second.",
        "A replay of the same requests has exactly the live engine's steps, blocks, tokens computed and preemptions at "
        "2 of 3 swept points.",
    ]


def test_equal_text_and_other_workloads(tables):
    assert "vllm and hf-batch returned the same tokens for 75% of 8 requests." in sentences(
        tables, "smollm2-135m", "mixed"
    )
    assert sentences(tables, "smollm2-135m", "other") == []


def test_steps_say_what_they_wait_for_only_where_it_is_known(tables):
    row = {"model": "m", "workload": "w", "engine": "hf-batch", "point": "base", "scope": "all"}
    rows = [
        {**row, "decode_step_s_median": 0.1, "gpu_busy_share": 0.2, "fraction_of_bound": 0.05, "limited_by": "host"},
        {**row, "engine": "vllm", "decode_step_s_median": 0.002, "gpu_busy_share": 0.4, "limited_by": "host"},
        {**row, "decode_step_s_median": 0.01, "fraction_of_bound": 0.6, "limited_by": "memory bandwidth"},
        {**row, "decode_step_s_median": 0.01, "fraction_of_bound": 0.1, "limited_by": "neither"},
    ]
    lines = sentences({**tables, "roofline": pd.DataFrame(rows)}, "m", "w")
    assert lines == [
        "The host, which schedules steps and launches kernels, sets the pace, and not the cache, of hf-batch (100 ms a "
        "decoding step, and for 80% of the time no kernel), vllm (2 ms a decoding step, and for 60% of the time no "
        "kernel).",
        "hf-batch: 10 ms a decoding step, which reads weights and live slots at 60% of the measured copy bandwidth.",
    ]


def rated(**where: str) -> pd.DataFrame:
    """slo_capacity.csv of engines (underscores for hyphens) between 2 and 4 requests/s, or outside of 2 to 4."""
    limits = {"slo_ttft_s": 0.45, "slo_tpot_s": 0.04, "slo_share": 0.9, "n_repeats": 1}
    bounds = {"highest_keeping_per_s": 4, "lowest_failing_per_s": 2}
    names = {"model": "smollm2-135m", "workload": "mixed"}
    nothing = dict.fromkeys(f"repeats_per_s_{part}" for part in rate_answer.PARTS)
    rows = [
        {**names, "engine": engine.replace("_", "-"), "where": place, **limits, **bounds, **nothing}
        | {"capacity_per_s": 3.0 if place == BRACKETED else None}
        for engine, place in where.items()
    ]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else [*names, "engine", "where"])


def of_rates(tables, **where: str) -> list[str]:
    found = sentences({**tables, "slo_capacity": rated(**where)}, "smollm2-135m", "mixed")
    return [sentence.replace(rate_answer.NO_BREAK, " ") for sentence in found if "requests/s" in sentence]


def test_a_rate_that_the_rates_enclose_stands_beside_those_of_other_engines(tables):
    [line] = of_rates(tables, vllm=BRACKETED, vllm_reserved=BRACKETED)
    assert line.startswith("With requests arriving over time, vllm gave 90% of them a first token within 0.45 s and")
    assert line.endswith("at up to 3 requests/s, 1 times 3 of vllm-reserved.")


def test_capacities_and_their_ratio_are_said_with_intervals(tables):
    both = {"model": "smollm2-135m", "workload": "mixed", "numerator": "vllm", "denominator": "vllm-reserved"}
    ratio = pd.DataFrame([both | {"ratio": 1.02, "ratio_ci95_low": 1.01, "ratio_ci95_high": 1.03}])
    ends = {"n_repeats": 6, "repeats_per_s_median": 3.0, "repeats_per_s_ci95_low": 2.5, "repeats_per_s_ci95_high": 3.5}
    rated_often = rated(vllm=BRACKETED, vllm_reserved=BRACKETED).assign(**ends)
    lines = sentences({**tables, "slo_capacity": rated_often, "slo_ratios": ratio}, "smollm2-135m", "mixed")
    assert any(
        line.endswith("at up to 3 [2.50, 3.50] requests/s, 1.02 [1.01, 1.03] times 3 [2.50, 3.50] of vllm-reserved.")
        for line in lines
    )


def test_rates_that_are_not_enclosed_are_said_as_bounds(tables):
    [line] = of_rates(tables, vllm=ABOVE, vllm_reserved=BELOW)
    assert line.endswith("lies outside the rates that were run: vllm above 4, vllm-reserved below 2 requests/s.")
    first, second = of_rates(tables, vllm=BRACKETED, hf_batch=BELOW)
    assert "at up to 3 requests/s." in first
    assert second.endswith("outside the rates that were run: hf-batch below 2 requests/s.")


def test_a_rate_of_another_engine_is_said_where_that_of_vllm_is_not_enclosed(tables):
    first, second = of_rates(tables, vllm=ABOVE, hf_continuous=BRACKETED, hf_batch=BELOW)
    assert first.startswith("With requests arriving over time, hf-continuous gave 90% of them a first token within")
    assert first.endswith("at up to 3 requests/s.")
    assert second.endswith("outside the rates that were run: vllm above 4, hf-batch below 2 requests/s.")


def test_rates_that_replays_of_longer_arrivals_predict_are_said(tables):
    parts = ("median", "ci95_low", "ci95_high", "min", "max")
    names = {"model": "smollm2-135m", "workload": "mixed", "requests": 6144}
    rates = dict(zip((f"patterns_per_s_{part}" for part in parts), (35.6, 35.3, 35.7, 34.0, 37.0), strict=True))
    ratios = dict(zip((f"vllm_ratio_{part}" for part in parts), (2.13, 2.12, 2.14, 2.0, 2.2), strict=True))
    rows = [{**names, "engine": "vllm-reserved", **ratios}, {**names, "engine": "vllm", **rates}]
    for known, end in ((rows, ": 2.13 [2.12, 2.14] times vllm-reserved."), (rows[1:], ".")):
        table = pd.DataFrame(known, columns=[*names, "engine", *rates, *ratios])
        [line] = [one for one in sentences({**tables, "predicted_capacity": table}, *PAIR) if "Replays" in one]
        assert line == (
            "Replays of 6,144 requests with the fitted step times keep the limits up to 35.6 [35.3, 35.7] requests/s "
            f"with vllm{end}"
        )
    unknown = pd.DataFrame(rows[:1], columns=[*names, "engine", *rates, *ratios])
    assert not [one for one in sentences({**tables, "predicted_capacity": unknown}, *PAIR) if "Replays" in one]


def test_without_rates_nothing_is_said_of_them(tables):
    assert of_rates(tables) == []
