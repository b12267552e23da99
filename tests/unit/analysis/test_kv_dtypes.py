"""Number types of the cache: capacity, ratio, equal tokens and what the larger pool bought, each beside auto."""

from __future__ import annotations

import copy
import dataclasses

import pandas as pd
import pytest
from builders.runs import write_run
from builders.simulated_requests import make_requests

from kvbench.analysis.results import load_runs
from kvbench.analysis.statistics import ratio
from kvbench.analysis.tables import kv_dtypes, repeats
from kvbench.kv.groups import FULL, SLIDING, LayerGroup

REQUESTS = make_requests(8)
SLOTS = {"auto": 544, "fp8": 1088}


def with_kv_dtype(run, kv_dtype, **changes):
    """The run with a record of its number type; a slot of fp8 has half the bytes, so its pool the same."""
    record = copy.deepcopy(run.record) | {"kv_dtype": kv_dtype} | changes
    if kv_dtype == "fp8":
        record["slot_bytes"] //= 2
        record["capacity"]["pool_bytes"] //= 2
    return dataclasses.replace(run, record=record)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Points auto and fp8 of vllm, whose fp8 differs in one request from its second token on."""
    root = tmp_path_factory.mktemp("kv_dtypes")
    flips = {"fp8": {(REQUESTS[0].id, 1): 3}, "auto": None}
    paths = [
        write_run(root, "vllm", requests=REQUESTS, point=f"kv_dtype-{name}", slots=SLOTS[name], flips=flips[name])
        for name in SLOTS
    ]
    base = write_run(root, "vllm", requests=REQUESTS, slots=544)
    found = {run.point: run for run in load_runs([*paths, base])}
    return {name: with_kv_dtype(found[f"kv_dtype-{name}"], name) for name in SLOTS} | {"base": found["base"]}


def table_of(*runs):
    return kv_dtypes.table(runs, repeats.table(runs), 0)


def test_the_same_bytes_hold_twice_the_tokens(runs):
    auto, fp8 = table_of(runs["auto"], runs["fp8"]).to_dict("records")
    assert (auto["kv_dtype"], fp8["kv_dtype"]) == ("auto", "fp8")
    assert auto["pool_bytes"] == fp8["pool_bytes"] == 544 * auto["slot_bytes"]
    assert auto["token_bytes"] == auto["slot_bytes"] == 2 * fp8["slot_bytes"]
    assert (auto["pool_tokens"], fp8["pool_tokens"], fp8["pool_tokens_over_auto"]) == (544, 1088, 2)
    assert pd.isna(auto["pool_tokens_over_auto"])


@pytest.mark.parametrize(("other", "same"), [("a", True), ("b", False), (None, None)])
def test_hosts_that_differ_are_told(runs, other, same):
    hosts = {"auto": {"id": "a"}, "fp8": other and {"id": other}}
    auto, fp8 = (dataclasses.replace(runs[name], record=runs[name].record | {"host": hosts[name]}) for name in SLOTS)
    row = table_of(auto, fp8).iloc[1]
    assert pd.isna(row["same_host"]) if same is None else bool(row["same_host"]) is same
    assert ("; measured on different hosts, whose speed may differ" in row["larger_pool"]) == (same is False)


def test_a_token_of_several_groups_has_the_slots_of_all_layers(runs):
    groups = [LayerGroup(FULL, 1, 128), LayerGroup(SLIDING, 5, 128, 64)]
    run = with_kv_dtype(runs["auto"], "auto", groups=[dataclasses.asdict(group) for group in groups])
    [row] = table_of(run).to_dict("records")
    assert row["token_bytes"] == 6 * row["slot_bytes"]
    assert row["pool_tokens"] == 544 // 6
    plain = with_kv_dtype(runs["auto"], "auto", groups=[dataclasses.asdict(groups[0])])
    assert kv_dtypes.token_bytes(plain) == plain.record["slot_bytes"]


def test_speed_is_compared_with_auto_s(runs):
    samples = repeats.table([runs["auto"], runs["fp8"]]).query("scope == 'all'").set_index("point")
    auto, fp8 = table_of(runs["auto"], runs["fp8"]).to_dict("records")
    speeds = [samples.loc[f"kv_dtype-{name}", "output_tokens_per_s"].to_numpy() for name in ("fp8", "auto")]
    wanted = ratio(*speeds, 0, ([1] * 6, [1] * 6))
    assert (fp8["ratio"], fp8["ratio_ci95_low"], fp8["ratio_ci95_high"]) == (wanted.value, wanted.low, wanted.high)
    assert pd.isna(auto["ratio"])
    assert pd.isna(auto["larger_pool"])


@pytest.mark.parametrize(("flags", "count"), [((True, None), 1), ((False, None), None), ((False, True), 1)])
def test_a_disturbed_repeat_counts_beside_others_of_which_it_is_not_known(runs, flags, count):
    """As it is read from repeats.csv, where an empty cell makes the flags a column of objects or of numbers."""
    samples = repeats.table([runs["auto"]]).query("scope == 'all'").head(2)
    samples = samples.assign(disturbed=pd.Series(list(flags), samples.index, dtype=object))
    for column in (samples["disturbed"], samples["disturbed"].astype(float)):
        [row] = kv_dtypes.table([runs["auto"]], samples.assign(disturbed=column), 0)["disturbed_repeats"]
        assert (None if pd.isna(row) else row) == count


def test_equal_tokens_are_counted_place_by_place(runs):
    """One output of eight differs from its second token on; the builder adds one to what follows a flip."""
    fp8 = table_of(runs["auto"], runs["fp8"]).to_dict("records")[1]
    tokens = sum(request.output for request in REQUESTS)
    assert fp8["equal_outputs_share"] == 7 / 8
    assert fp8["equal_tokens_share"] == (tokens - REQUESTS[0].output + 1) / tokens
    lengths = sorted([1, *(request.output for request in REQUESTS[1:])])
    assert fp8["median_common_prefix_tokens"] == (lengths[3] + lengths[4]) / 2


def test_sampled_tokens_are_not_compared(runs):
    hot = copy.deepcopy(runs["fp8"].record)
    hot["settings"]["given"]["temperature"] = 0.7
    [_, row] = table_of(runs["auto"], dataclasses.replace(runs["fp8"], record=hot)).to_dict("records")
    assert pd.isna(row["equal_outputs_share"])
    assert row["ratio"] > 0


def test_base_stands_for_auto_where_it_differs_in_nothing_else(runs):
    found = table_of(runs["base"], runs["fp8"])
    assert found["point"].tolist() == ["base", "kv_dtype-fp8"]
    assert found["pool_tokens_over_auto"].tolist()[1] == 2
    assert table_of(runs["base"], runs["auto"], runs["fp8"])["point"].tolist() == ["kv_dtype-auto", "kv_dtype-fp8"]
    other = copy.deepcopy(runs["base"].record)
    other["settings"]["given"]["top_p"] = 0.5
    [row] = table_of(dataclasses.replace(runs["base"], record=other), runs["fp8"]).to_dict("records")
    assert row["larger_pool"] == "not known: there is no run with auto to compare with"
    assert table_of(runs["base"]).empty


def limits(**columns):
    given = {"preemptions": [0, 0], "steps_waiting_share": [0.5, 0.5], "steps_waiting_for_blocks_share": [0.0, 0.0]}
    return pd.DataFrame(given | columns)


@pytest.mark.parametrize(
    ("columns", "was"),
    [
        ({}, False),  # requests waited, but for another limit
        ({"preemptions": [0, 1]}, True),
        ({"steps_waiting_for_blocks_share": [0.0, 0.01]}, True),
        ({"steps_waiting_for_blocks_share": [None, None]}, True),
        ({"steps_waiting_for_blocks_share": [None, None], "steps_waiting_share": [0, 0]}, False),
    ],
)
def test_a_pool_limits_where_requests_wait_for_blocks_or_are_preempted(columns, was):
    assert kv_dtypes.bound(limits(**columns)) == was


def test_what_the_larger_pool_bought():
    faster = ratio([2.0] * 6, [1.0] * 6, 0)
    assert kv_dtypes.bought(2.0, True, faster) == "with the larger pool 2 [2, 2] times auto's speed: faster"
    assert kv_dtypes.bought(2.0, True, ratio([1.0] * 6, [1.0] * 6, 0)).endswith("neither faster nor slower for certain")
    assert kv_dtypes.bought(2.0, True, ratio([1.0], [1.0], 0)).endswith("too few repeats for an interval")
    assert kv_dtypes.bought(2.0, False, faster).startswith(
        "the larger pool bought nothing: with auto no request waited"
    )
    assert kv_dtypes.bought(1.0, True, faster).startswith("its pool holds no more tokens than auto's")
