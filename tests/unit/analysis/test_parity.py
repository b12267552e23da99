"""The parity gate passes only equal outputs and near ties."""

import pandas as pd
import pytest
from builders.changed_runs import changed_record
from builders.runs import write_margins, write_run
from builders.simulated_requests import make_requests

from kvbench.analysis.parity import common_prefix, compare, gate, table
from kvbench.analysis.results import load_runs
from kvbench.errors import UserError

REFERENCE = {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}
REQUESTS = make_requests(16)


def _parity_runs(root, flips=None, near=None, **given):
    given = {"workload": "parity", "requests": REQUESTS, "sequential": 16, "repeats": 1} | given
    reference = write_run(root, "hf-batch", **given)
    write_margins(reference, REQUESTS, near or {})
    return load_runs([reference, write_run(root, "hf-static", **given), write_run(root, "vllm", flips=flips, **given)])


@pytest.mark.parametrize(
    ("a", "b", "length"), [([1, 2], [1, 2], 2), ([1, 2], [1, 3], 1), ([], [1], 0), ([1, 2], [1], 1), ([2], [1], 0)]
)
def test_common_prefix(a, b, length):
    assert common_prefix(a, b) == length


def test_shares_and_prefixes_are_of_requests_that_both_have():
    found = compare(REFERENCE, {"b": [5, 6, 0, 8], "c": [1]})
    assert (found.requests, found.share_equal, found.median_common_prefix_tokens) == (1, 0, 2)
    assert str(found.differences[0]) == "b at 2"


def test_a_shorter_output_is_a_difference():
    assert compare(REFERENCE, {"a": [1, 2, 3]}).share_equal == 0


def test_a_near_tie_passes_and_is_listed():
    ties = gate("vllm", REFERENCE, REFERENCE | {"b": [5, 9, 1, 1]}, {("b", 1): 1e-4})
    assert [(t.request_id, t.position, t.margin) for t in ties] == [("b", 1, 1e-4)]


def test_a_difference_beyond_the_tie_names_engine_request_and_position():
    other = {"a": [1, 2, 3, 0], "b": [0, 0, 0, 0]}
    with pytest.raises(UserError, match=r"vllm: request a, position 3: token 0 where hf-batch returned 4"):
        gate("vllm", REFERENCE, other, {("a", 3): 1.1e-4, ("b", 0): 0.0})


def test_only_the_first_differing_position_may_be_the_tie():
    with pytest.raises(UserError, match="position 1"):
        gate("vllm", {"a": [1, 2, 3]}, {"a": [1, 9, 9]}, {("a", 1): 0.5, ("a", 2): 0.0})


def test_a_missing_margin_does_not_pass():
    with pytest.raises(UserError, match="unknown distance"):
        gate("vllm", REFERENCE, REFERENCE | {"a": [1, 2, 3, 0]}, {})


@pytest.mark.parametrize("other", [{"a": [1, 2, 3, 4]}, {"a": [1, 2, 3, 4], "b": [5, 6, 7]}])
def test_a_missing_request_or_token_fails(other):
    with pytest.raises(UserError, match="request b"):
        gate("vllm", REFERENCE, other, {})


def test_an_engine_that_serves_one_at_a_time_may_run_the_first_requests_only():
    assert gate("vllm-sequential", REFERENCE, {"a": [1, 2, 3, 4]}, {}) == []
    with pytest.raises(UserError, match="request a, position 0"):
        gate("vllm-sequential", REFERENCE, {"a": [9, 2, 3, 4]}, {})
    with pytest.raises(UserError, match="request a: 0 tokens"):
        gate("vllm-sequential", REFERENCE, {}, {})


def test_equal_runs_pass_the_gate(tmp_path):
    found = table(_parity_runs(tmp_path))
    assert list(found.engine) == ["hf-static", "vllm"]
    assert list(found.gate) == ["passed", "passed"]
    assert list(found.requests_compared) == [16, 16]
    assert list(found.share_equal) == [1, 1]
    assert list(found.near_ties_passed) == [0, 0]


def test_a_failing_run_stops_with_the_first_difference(tmp_path):
    with pytest.raises(UserError, match=r"parity: vllm: request r004, position 2"):
        table(_parity_runs(tmp_path, flips={("r009", 1): 0, ("r004", 2): 0}))


def test_a_run_with_a_near_tie_passes_and_lists_it(tmp_path):
    row = table(_parity_runs(tmp_path, flips={("r004", 2): 0}, near={("r004", 2): 5e-5})).iloc[1]
    assert (row.gate, row.near_ties_passed) == ("passed", 1)
    assert row.near_ties == "r004 at 2 (top two logits 5e-05 apart)"
    assert row.share_equal == 15 / 16


@pytest.mark.parametrize(
    ("given", "why"), [({"dtype": "bfloat16"}, "dtype bfloat16"), ({"temperature": 0.7}, "greedy")]
)
def test_the_gate_wants_float32_and_greedy(tmp_path, given, why):
    with pytest.raises(UserError, match=why):
        table(_parity_runs(tmp_path, **given))


def test_a_gate_without_a_reference_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no run of hf-batch"):
        table(_parity_runs(tmp_path)[1:])


def test_other_workloads_report_and_do_not_stop(tmp_path):
    paths = [write_run(tmp_path, e, flips=f) for e, f in (("hf-batch", None), ("hf-sequential", {("r001", 0): 0}))]
    row = table(load_runs(paths)).iloc[0]
    assert pd.isna(row.gate)
    assert (row.requests_compared, row.share_equal) == (4, 0.75)
    assert row.first_difference == "r001 at 0"


def test_sampled_outputs_are_not_compared(tmp_path):
    row = table(load_runs([write_run(tmp_path, e, temperature=0.7) for e in ("hf-batch", "vllm")])).iloc[0]
    assert row.comparable == "no: sampled"
    assert pd.isna(row.share_equal)


@pytest.mark.parametrize(
    ("engine", "comparable"), [("vllm", "no: each library drew its own weights"), ("hf-static", "yes")]
)
def test_random_weights_are_those_of_a_library(tmp_path, engine, comparable):
    paths = [write_run(tmp_path, e) for e in ("hf-batch", engine)]
    for path in paths:
        with changed_record(path) as record:
            record["digests"]["model"] = {"config.json": "c0de"}
    row = table(load_runs(paths)).iloc[0]
    assert row.comparable == comparable
    assert pd.isna(row.share_equal) == (comparable != "yes")
