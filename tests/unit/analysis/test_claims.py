"""Claims: a verdict needs the whole interval on one side, enough repeats, the same requests and met conditions."""

import numpy as np
import pandas as pd
import pytest
import yaml
from builders.arriving_runs import SLO
from builders.places import CLAIMS
from builders.runs import ALL_ENGINES, write_runs
from builders.simulated_requests import make_requests
from builders.tables import read_back

from kvbench.analysis.claims import Claims, read_claims, samples, table
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import of_serving, repeats
from kvbench.errors import UserError

FIXED = {"source": "s", "wording": "in short", "quotation": "q", "reading": "r", "threshold_from": "ours"}


def _samples(**values):
    """Return repeats.csv rows: column x holds each engine's values, all for the same work."""
    names = {"model": "m", "workload": "w", "point": "base", "scope": "all", "process": 1}
    rows = [
        {**names, "engine": engine, "repeat": i, "x": x}
        for engine, sample in values.items()
        for i, x in enumerate(sample)
    ]
    return pd.DataFrame(rows).assign(requests=8, prompt_tokens=80, output_tokens=40)


def _judge(frame, is_, threshold, conditions=None, metric=None, **claim):
    metric = {"column": "x", "engine": "a", "scope": "all"} | (metric or {})
    one = {**FIXED, "id": "c", "metric": metric, "is": is_, "threshold": threshold, **claim}
    found = table(Claims(6, conditions or {}, (one,)), frame, seed=0)
    assert len(found) == 1
    return found.iloc[0]


SPREAD = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]


@pytest.mark.parametrize(
    ("is_", "threshold", "verdict"),
    [
        ("above", 0.9, "supported"),
        ("above", 1.6, "not supported"),
        ("above", 1.26, "not measurable here"),
        ("below", 1.6, "supported"),
        ("below", 0.9, "not supported"),
        ("below", 1.24, "not measurable here"),
    ],
)
def test_the_whole_interval_decides_and_not_the_median(is_, threshold, verdict):
    row = _judge(_samples(a=SPREAD), is_, threshold)
    assert row["value"] == pytest.approx(1.25)
    assert row["value_ci95_low"] < 1.2 < 1.3 < row["value_ci95_high"]
    assert row["verdict"] == verdict
    if verdict == "not measurable here":
        assert row["reason"] == f"the interval has values on both sides of {threshold}"


@pytest.mark.parametrize(
    ("is_", "verdict"),
    [("above", "not supported"), ("at_least", "supported"), ("below", "not supported"), ("at_most", "supported")],
)
def test_a_value_on_the_threshold(is_, verdict):
    assert _judge(_samples(a=[1.0] * 6), is_, 1)["verdict"] == verdict


def test_five_repeats_have_no_verdict_however_clear():
    row = _judge(_samples(a=[9.0] * 5), "above", 1)
    assert (row["value"], row["n_repeats"]) == (9, 5)
    assert row["verdict"] == "not measurable here"
    assert row["reason"] == "n = 5; a verdict needs 6 repeats"
    assert pd.isna(row["value_ci95_low"])


def test_a_claim_may_ask_for_more_repeats_or_requests():
    frame = _samples(a=[9.0] * 6)
    assert _judge(frame, "above", 1, min_repeats=7)["reason"] == "n = 6; a verdict needs 7 repeats"
    assert _judge(frame, "above", 1, min_requests=9)["reason"] == "8 requests; a verdict needs 9"
    assert _judge(frame, "above", 1, min_requests=8)["verdict"] == "supported"


def test_a_claim_may_ask_for_several_processes():
    one = _samples(a=SPREAD, b=SPREAD)
    two = pd.concat([one, one.assign(process=2)])
    ratio = {"over": "b"}
    assert _judge(one, "above", 0.1, metric=ratio)["verdict"] == "supported"
    for frame in (one, pd.concat([two[two["engine"] == "a"], one[one["engine"] == "b"]])):
        row = _judge(frame, "above", 0.1, metric=ratio, min_processes=2)
        assert row["verdict"] == "not measurable here"
        assert row["reason"] == "processes of an engine: 1; a verdict needs 2"
    assert _judge(two, "above", 0.1, metric=ratio, min_processes=2)["verdict"] == "supported"


def test_a_ratio_is_of_medians_with_both_beside():
    row = _judge(_samples(a=[2.0, 2, 2, 3, 9, 9], b=[1.0, 1, 1, 1, 4, 4]), "above", 1, metric={"over": "b"})
    assert (row["engine_median"], row["over_median"], row["value"]) == (2.5, 1, 2.5)
    assert row["metric"] == "x: a / b (all)"


def test_other_requests_missing_engines_and_unknown_values_have_no_verdict():
    frame = _samples(a=SPREAD, b=SPREAD, empty=[np.nan] * 6, zero=[0.0] * 6)
    other = frame.assign(output_tokens=frame["output_tokens"] + (frame["engine"] == "b"))
    reasons = {
        "b": "a and b have no repeats of the same requests",
        "gone": "gone was not run",
        "empty": "x of empty is not known here",
        "zero": "no ratio: zero has a value of 0",
    }
    for engine, reason in reasons.items():
        row = _judge(other if engine == "b" else frame, "above", 0, metric={"over": engine})
        assert (row["verdict"], row["reason"]) == ("not measurable here", reason)
        assert pd.isna(row["value"])


def test_the_subset_is_the_whole_where_there_is_none_and_not_the_other_way_round():
    frame = _samples(a=SPREAD)
    assert _judge(frame, "above", 0, metric={"scope": "sequential"})["verdict"] == "supported"
    row = _judge(frame.assign(scope="sequential"), "above", 0)
    assert row["reason"] == "a did not serve all requests"


def test_without_its_condition_a_claim_prints_no_value():
    condition = {"metric": {"column": "x", "engine": "b", "scope": "all"}, "is": "above", "threshold": 0.5}
    given = {"conditions": {"binds": condition | {"otherwise": "memory does not bind"}}, "requires": ["binds"]}
    row = _judge(_samples(a=SPREAD, b=[0.5] * 6), "above", 0, **given)
    assert row["verdict"] == "not measurable here"
    assert row["reason"] == "memory does not bind (x: b (all) is 0.5)"
    assert row[["value", "value_ci95_low", "value_min"]].isna().all()
    assert row["engine_median"] == pytest.approx(1.25)
    assert _judge(_samples(a=SPREAD, b=[0.51] * 6), "above", 0, **given)["verdict"] == "supported"


SHARED = {"point": "on", "over": "a", "over_point": "off"}


def test_a_claim_may_set_two_points_of_an_engine_against_each_other():
    frame = pd.concat([_samples(a=[value] * 6).assign(point=point) for point, value in {"on": 6.0, "off": 2.0}.items()])
    row = _judge(frame, "above", 1, metric=SHARED)
    assert (row["value"], row["engine_median"], row["over_median"], row["verdict"]) == (3, 6, 2, "supported")
    assert row["metric"] == "x: a (on) / a (off) (all)"
    assert _judge(frame[frame["point"] == "on"], "above", 1, metric=SHARED)["reason"] == "a (off) was not run"
    assert _judge(_samples(a=SPREAD), "above", 1, metric=SHARED)["reason"] == "a (on) was not run"


def test_a_workload_of_swept_points_has_rows_of_claims_that_name_points():
    swept = _samples(a=[6.0] * 6).assign(point="on", workload="swept")
    base = {"column": "x", "engine": "a", "scope": "all"}
    claims = [
        {**FIXED, "id": i, "metric": {**base, **m}, "is": "above", "threshold": 1}
        for i, m in (("base", {}), ("on", {"point": "on"}))
    ]
    found = table(Claims(6, {}, tuple(claims)), pd.concat([_samples(a=SPREAD), swept]), seed=0)
    assert list(zip(found["workload"], found["id"], found["verdict"], strict=True)) == [
        ("w", "base", "supported"),
        ("w", "on", "not measurable here"),
        ("swept", "on", "supported"),
    ]


@pytest.mark.parametrize(("kind", "verdict"), [("samples", "supported"), ("other", "not measurable here")])
def test_a_claim_of_other_workloads_has_no_verdict(kind, verdict):
    one = {**FIXED, "id": "c", "metric": {"column": "x", "engine": "a", "scope": "all"}, "is": "above", "threshold": 0}
    [row] = table(Claims(6, {}, ({**one, "kinds": ["samples"]},)), _samples(a=SPREAD), 0, {"w": kind}).to_dict(
        "records"
    )
    assert row["verdict"] == verdict
    assert verdict == "supported" or row["reason"] == "it is of workloads of kind samples"


def test_sweep_points_are_left_out():
    frame = pd.concat([_samples(a=[1.0] * 6), _samples(a=[9.0] * 6).assign(point="block_size=64")])
    assert _judge(frame, "above", 2)["verdict"] == "not supported"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is": "over"}, r"c: is: over: unknown; use above, below"),
        ({"treshold": 1}, r"c: treshold: unknown key"),
        ({"requires": ["luck"]}, r"c: requires: luck: unknown; use "),
        ({"metric": {"column": "x", "engine": "vllm"}}, r"c: metric: scope is missing"),
        (
            {"metric": {"column": "x", "engine": "vllm", "scope": "all", "over_point": "off"}},
            r"c: metric: over_point needs over",
        ),
        ({"quotation": None}, r"c: quotation is missing"),
        ({"metric": {"column": "x", "engine": "vlm", "scope": "all"}}, r"c: metric: engine: vlm: unknown; use hf-seq"),
        (
            {"metric": {"column": "x", "engine": "vllm", "scope": "all", "over": "hf"}},
            r"c: metric: over: hf: unknown; use hf-seq",
        ),
        ({"metric": {"column": "x", "engine": "vllm", "scope": "some"}}, r"c: metric: scope: some: unknown; use all"),
        ({"metric": 1}, r"c: metric: 1 is not a mapping; correct it"),
        ({"kinds": ["mixd"]}, r"c: kinds: mixd: unknown; use "),
        ({"kinds": "mixed"}, r"c: kinds: 'mixed' is not a list; correct it"),
        ({"threshold": "1"}, r"c: threshold: '1' is not a number; correct it"),
        ({"threshold": True}, r"c: threshold: True is not a number; correct it"),
    ],
)
def test_a_broken_file_is_one_line_that_names_the_claim(tmp_path, change, message):
    metric = {"column": "x", "engine": "vllm", "scope": "all"}
    claim = {**FIXED, "id": "c", "metric": metric, "is": "above", "threshold": 1, **change}
    claim = {key: value for key, value in claim.items() if value is not None}
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"min_repeats": 6, "claims": [claim]}))
    with pytest.raises(UserError, match=message):
        read_claims(path)


def test_an_unknown_column_is_named():
    with pytest.raises(UserError, match=r"has no column y"):
        _judge(_samples(a=SPREAD), "above", 1, metric={"column": "y"})


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    root = tmp_path_factory.mktemp("claims")
    runs = load_runs(write_runs(root / "runs", ALL_ENGINES, requests=make_requests(40, 1), sequential=8))
    found = read_back(root / "repeats.csv", repeats.table(runs))
    capacities = of_serving.tables([], SLO, 0)["slo_repeats"]
    return table(read_claims(CLAIMS), samples(found, capacities), 0).set_index("id")


def test_every_shipped_claim_has_a_row_a_verdict_and_a_reason(shipped):
    assert list(shipped.index) == [claim["id"] for claim in read_claims(CLAIMS).claims]
    assert set(shipped["verdict"]) == {"supported", "not supported", "not measurable here"}
    assert shipped["reason"].str.len().min() > 10


def test_shipped_claims_measure_what_they_say(shipped):
    """Known from the simulation: StaticCache reserves all, DynamicCache nothing, and vLLM always holds its pool."""
    assert shipped.loc["guide-preallocation-static", "value"] == 1
    assert shipped.loc["guide-preallocation", "verdict"] == "not supported"
    assert shipped.loc["guide-on-demand", "verdict"] == "supported"
    assert shipped.loc["guide-on-demand-pool", "verdict"] == "not supported"
    assert shipped.loc["guide-less-waste-sequential", "verdict"] == "not supported"
    assert shipped.loc["guide-cost-energy", "reason"].endswith("is not known here")
    assert shipped.loc["guide-memory-fluctuates", "value"] > 0.5
    assert shipped.loc["guide-throughput", "requests"] == 8
    assert shipped.loc["vattention-price", "value"] == shipped.loc["paper-small-price", "value"] < 0.95
    assert shipped.loc["paper-small-price", "verdict"] == "not supported"
    assert shipped.loc["vattention-price", "reason"] == "processes of an engine: 1; a verdict needs 3"
    assert shipped.loc["paper-shared-prefix", "reason"] == "it is of workloads of kind shared-prefix"


def test_no_published_value_is_a_threshold():
    for claim in read_claims(CLAIMS).claims:
        assert claim.get("threshold") in (None, 0, 1) or claim["threshold_from"].startswith("ours")
