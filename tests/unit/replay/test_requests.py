"""Requests of scenarios: drawn or read from a file, whose faults are named by line and whose skips are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.refusals import refused
from builders.scenarios import STEP, ran, scenario
from scipy import stats

from kvbench.errors import UserError
from kvbench.replay.describe import setting
from kvbench.replay.requests import draw, trace_of
from kvbench.replay.scenario import notes, outcomes
from kvbench.replay.table import table
from kvbench.workload.draws import SCALE, exponential, stream


def test_exponential_draws_are_exponential_and_pinned() -> None:
    found = exponential(stream(0, "a", "test"), 200_000) / SCALE
    assert stats.kstest(found, "expon").pvalue > 0.01
    pinned = [203022285430286, 86148807165730, 124485244008393]
    assert exponential(stream(0, "a", "test"), 3).tolist() == pinned


def test_a_workload_is_the_same_for_every_scenario_and_plan() -> None:
    prompt, output = draw("mixed", 400, 0, 128, "x")
    trace = trace_of(scenario(pool_slots=2000), 0, "replays.x")
    np.testing.assert_array_equal(trace.prompt_tokens, prompt)
    np.testing.assert_array_equal(trace.output_tokens, output)
    assert not trace.arrival_ns.any()


def test_a_prefix_is_put_before_every_prompt_and_found_again() -> None:
    own = scenario(shared_prefix_tokens=32, max_length=160, policies=["paged"], prefix_sharing=True)
    trace = trace_of(own, 0, "replays.x")
    np.testing.assert_array_equal(trace.prompt_tokens, draw("mixed", 400, 0, 128, "x")[0] + 32)
    [on] = outcomes(own, trace)
    [off] = outcomes({**own, "prefix_sharing": False}, trace)
    assert on.found.totals.prefix_hit_tokens > 300 * 32
    assert off.found.totals.prefix_hit_tokens == 0
    assert on.found.totals.steps < off.found.totals.steps


def test_a_file_gives_lengths_and_arrivals_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("prompt_tokens,output_tokens,arrival_s\n10,3,0\n4,5,1.5\n7,1,2\n")
    own = scenario(workload=None, requests=None, file=str(file), step_time=STEP)
    trace = trace_of(own, 0, "replays.x")
    assert trace.prompt_tokens.tolist() == [10, 4, 7]
    assert trace.output_tokens.tolist() == [3, 5, 1]
    assert trace.arrival_ns.tolist() == [0, 1_500_000_000, 2_000_000_000]
    assert len(trace_of({**own, "requests": 2}, 0, "replays.x")) == 2
    ids = tmp_path / "trace.jsonl"
    ids.write_text('{"prompt_token_ids": [5, 6, 7], "output_tokens": 2}\n')
    assert trace_of({**own, "file": str(ids)}, 0, "replays.x").prompt_tokens.tolist() == [3]


@pytest.mark.parametrize(
    ("text", "given", "line"),
    [
        ("10,3,2\n4,5,1\n", {}, r"trace\.csv: line 2: arrives at 1 s, the previous request at 2 s; sort the file .*"),
        ("10,3\n4,x\n", {}, r"trace\.csv: line 2: output_tokens is 'x'; .*"),
        ("10,3\n100,30\n", {}, r"trace\.csv: line 2: 100 prompt \+ 30 output tokens are more than max_length 128; .*"),
        ("10,3,0\n4,5,3\n", {"step_time": None}, r"config\.yaml: replays\.x\.step_time: .*line 2 arrives at 3 s, .*"),
        ("10,3,0\n4,5,3\n", {"requests_per_s": 1}, r"config\.yaml: replays\.x\.requests_per_s: .*line 2 arrives .*"),
        ("1,1,5e9\n", {}, r"trace\.csv: line 1: arrival_s is 5e\+09; give seconds from 0 to 4e\+09"),
        ("", {}, r"trace\.csv: the file contains no request; .*"),
        ('{"prompt": "a", "output_tokens": 1}\n', {}, r"trace\.jsonl: line 1: text, but replays have no tokenizer; .*"),
        ('{"prompt_token_ids": [], "output_tokens": 1}\n', {}, r"trace\.jsonl: line 1: empty prompt_token_ids.*"),
    ],
)
def test_a_fault_of_a_file_is_named_by_its_line(tmp_path: Path, text: str, given: dict, line: str) -> None:
    file = tmp_path / ("trace.jsonl" if text.startswith("{") else "trace.csv")
    file.write_text(text)
    own = scenario(workload=None, requests=None, file=str(file), **{"step_time": STEP, **given})
    with refused(line):
        trace_of(own, 0, "replays.x")


def test_what_is_left_out_of_a_file_is_counted_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("\n,prompt_tokens,output_tokens\n0,10.0,3\n1,100,30\n2,0,3\n3,20,4\n4,7,\n5,8,8\n")
    given = {"workload": None, "file": str(file), "too_long": "skip", "bad_turns": "skip", "requests": 2}
    found, rows = ran(tmp_path, **given)
    trace = trace_of(scenario(**given), 0, "replays.x")
    assert trace.prompt_tokens.tolist() == [10, 20]
    why = "(left out: 1 too long, 2 with bad turns, 1 not asked for)"
    assert list(notes(scenario(**given), trace)) == [f"2 of 6 requests of the file {why}"]
    counts = {"requests_in_file": 6, "skipped_too_long": 1, "skipped_bad_turns": 2}
    assert found["requests"]["file"] == counts
    assert rows[list(counts)].drop_duplicates().to_dict("records") == [counts]
    assert f"n = 2 of 6 requests of trace.csv {why}, all there at once" in setting(rows)
    assert f"n = 2 of 6 requests of trace.csv {why}, all there at once" in setting(table([found]))
    with pytest.raises(UserError, match=r"trace\.csv: line 5: prompt_tokens is 0; .*, or set bad_turns: skip to leave"):
        trace_of(scenario(**given | {"bad_turns": None}), 0, "replays.x")
    with pytest.raises(UserError, match=r"trace\.csv: line 4: 100 prompt .*, or set too_long: skip to leave"):
        trace_of(scenario(**given | {"too_long": None}), 0, "replays.x")


def test_a_drawn_workload_has_no_counts_of_a_file(tmp_path: Path) -> None:
    found, rows = ran(tmp_path)
    assert found["requests"]["file"] is None
    assert rows["requests_in_file"].isna().all()
    assert "n = 400 requests of mixed, all there at once" in setting(rows)


def test_a_workload_longer_than_the_maximum_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"config\.yaml: replays\.x\.max_length: 100 is less than the longest request of mixed"
    ):
        trace_of(scenario(max_length=100), 0, "replays.x")
