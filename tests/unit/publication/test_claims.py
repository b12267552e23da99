"""Which run repeats a claim, and how far from the published value a repetition may be."""

from dataclasses import replace

import pytest

from bootstrap import SIZES
from kvbench.errors import UserError
from kvbench.publication.claims import UNTESTED, chosen, judging, rows_of, tolerance
from kvbench.publication.page import page

ROW = {"value_ci95_low": 1.2, "value_ci95_high": 1.6, "threshold": 1.0, "reason": "n = 1"}


def test_the_easiest_run_with_a_verdict_is_taken(runs, claims):
    assert chosen(runs, claims, "guide-less-waste").name == "cpu-2-cores"
    assert chosen(runs, claims, "guide-less-waste", "h200").name == "h200"
    assert chosen(runs, claims, "guide-cost-energy").name == "h200-shapes"
    assert {run.name for run in judging(runs, "paper-existing-waste")} == {"cpu-2-cores", "h200"}
    assert set(rows_of(runs["h200"], "paper-existing-waste")["id"]) == {"paper-existing-waste"}


@pytest.mark.parametrize(
    ("claim", "run", "message"),
    [
        ("guide-less-wast", None, "no such claim; did you mean guide-less-waste"),
        ("paper-beam-sharing", None, "cannot be tested: vLLM no longer"),
        ("paper-same-latency", None, "no published run has a value"),
        ("guide-cost-energy", "full", "RUN=full: no published run of this name has guide-cost-energy"),
    ],
)
def test_what_cannot_be_repeated_is_said(runs, claims, claim, run, message):
    with pytest.raises(UserError, match=message):
        chosen(runs, claims, claim, run)


@pytest.mark.parametrize(
    ("test", "verdict", "told"),
    [
        ("above", "supported", "all of the interval above 1 (published: from 1.2)"),
        ("at_least", "not supported", "none of the interval at least 1 (published: to 1.6)"),
        ("below", "supported", "all of the interval below 1 (published: to 1.6)"),
        ("at_most", "not supported", "none of the interval at most 1 (published: from 1.2)"),
        ("above", "not measurable here", "no verdict: n = 1"),
    ],
)
def test_tolerance_is_the_side_of_the_threshold_and_the_nearer_end(test, verdict, told):
    assert tolerance({**ROW, "is": test, "verdict": verdict}) == told


def test_a_claim_that_is_newer_than_the_galleries_is_said_to_be_untested(runs, claims):
    new = replace(claims, claims=({**claims.claims[0], "id": "new"},))
    with pytest.raises(UserError, match=f"CLAIM=new: {UNTESTED}"):
        chosen(runs, new, "new")
    [row] = [line for line in page(runs, new, SIZES).splitlines() if line.startswith("| `new`")]
    assert row.endswith(f"| no value | {UNTESTED} | – |")
