"""Scenarios of the configuration: requests, windows and shares by hand; refusals by key or line; their figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.configured import configured
from builders.pictures import write_picture
from builders.places import PUBLISHED, SCHEMA
from builders.refusals import refused
from builders.replay_reference import reference
from builders.scenarios import STEP, of_ids, ran, replayed, scenario, write_replays
from builders.workloads import workload
from scipy import stats

from kvbench.analysis.published import Published, read_published
from kvbench.config import checks as config_checks
from kvbench.config.settings import read_yaml
from kvbench.errors import UserError
from kvbench.figures import batched_requests, replay_waste
from kvbench.figures.style import save
from kvbench.replay import COLUMNS, POLICIES, Settings, StepTime, Trace, replay
from kvbench.replay.describe import setting
from kvbench.replay.held import alone_live_share
from kvbench.replay.inputs import ALLOCATORS, RESERVING
from kvbench.replay.requests import arrivals, draw, trace_of
from kvbench.replay.scenario import notes, outcomes, series_table, settings_of, steps_table
from kvbench.replay.table import REGION, rows_of, shares, table
from kvbench.replay.window import window_of
from kvbench.report.replays import sections
from kvbench.workload.draws import SCALE, exponential, stream


def test_exponential_draws_are_exponential_and_pinned() -> None:
    found = exponential(stream(0, "a", "test"), 200_000) / SCALE
    assert stats.kstest(found, "expon").pvalue > 0.01
    pinned = [203022285430286, 86148807165730, 124485244008393]
    assert exponential(stream(0, "a", "test"), 3).tolist() == pinned


def test_arrivals_have_the_rate_and_are_the_same_for_every_scenario() -> None:
    found = arrivals(20_000, 4, 0)
    assert found[-1] == pytest.approx(5_000, rel=0.03)
    assert (np.diff(found) >= 0).all()
    np.testing.assert_array_equal(arrivals(100, 2, 0), 2 * arrivals(100, 4, 0))
    assert arrivals(5, 4, 1)[0] != arrivals(5, 4, 0)[0]


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


def hits(own: dict, trace: Trace) -> int:
    return next(outcomes(own, trace)).found.totals.prefix_hit_tokens


def test_token_ids_of_a_file_that_begin_alike_are_shared(tmp_path: Path) -> None:
    """The fault of the field: two requests with the same first 512 ids gave no hit."""
    prompts = [[*range(512), *range(1000 * n, 1000 * n + 40)] for n in (1, 2)]
    own = of_ids(tmp_path, prompts, pool_slots=4096, max_length=600, block_size=16, max_step_tokens=600)
    trace = trace_of(own, 0, "replays.x")
    assert hits(own, trace) == 512
    assert hits(own | {"prefix_sharing": False}, trace_of(own | {"prefix_sharing": False}, 0, "x")) == 0
    assert not list(notes(own, trace))


TREE = [[*range(8), *([8, 9, 10] * (n % 3)), 70_000 + n % 2, *range(100 + n)][: 20 + n] for n in range(12)]


@pytest.mark.parametrize("prefix", [0, 3, 8])
@pytest.mark.parametrize("requests", [None, 7])
def test_a_file_of_token_ids_is_the_trace_of_the_same_table(tmp_path: Path, prefix: int, requests: int | None) -> None:
    """Also behind a shared prefix, and step by step as the plain reference has it, which compares the ids."""
    own = of_ids(tmp_path, TREE, shared_prefix_tokens=prefix, requests=requests, max_running=5, max_step_tokens=30)
    prompts = [[*range(200_000, 200_000 + prefix), *ids] for ids in TREE[:requests]]
    count = len(prompts)
    wanted, trace = Trace.from_table(workload(prompts, [4] * count), prefix_sharing=True), trace_of(own, 0, "replays.x")
    for name in ("prompt_tokens", "output_tokens", "arrival_ns", "text_order", "common_tokens"):
        np.testing.assert_array_equal(getattr(trace, name), getattr(wanted, name), err_msg=name)
    settings = settings_of(own, "paged")
    rows, times = reference(prompts, [4] * count, [0] * count, settings)
    found = replay(trace, settings, keep_steps=True)
    for number, name in enumerate(COLUMNS):
        np.testing.assert_array_equal(found.steps[name], [row[number] for row in rows], err_msg=name)
    np.testing.assert_array_equal(found.requests.finish_ns, times["finish_ns"])
    assert found.totals.prefix_hit_tokens > 0


def test_the_digest_knows_equal_lengths_of_other_text(tmp_path: Path) -> None:
    alike, apart = [[[5] * 8, [5] * 4 + [n] * 4] for n in (5, 6)]
    digests = []
    for prompts in (alike, apart, alike):
        own = of_ids(tmp_path, prompts)
        digests.append(replayed(own)["requests"]["digest"])
    assert digests[0] == digests[2] != digests[1]


def test_hits_stand_in_the_table_and_the_report(tmp_path: Path) -> None:
    prompts = [[*range(8), n, n] for n in range(6)]
    own = of_ids(tmp_path, prompts, policies=["reserve-max", "paged"], max_running=3)
    found = replayed(own)
    shared = found["policies"]["paged"]["totals"]["prefix_hit_tokens"]
    assert shared > 0
    path = write_replays(tmp_path, found)
    rows = rows_of(path, "x").set_index("policy")
    assert rows.loc["paged", "prefix_hit_tokens"] == shared
    assert pd.isna(rows.loc["reserve-max", "prefix_hit_tokens"])
    [shown] = sections(rows_of(path, "x"), [])
    assert list(shown.table["found again by sharing (tokens)"]) == ["–", str(shared)]
    _, off = ran(tmp_path)
    assert off["prefix_hit_tokens"].isna().all()


def test_sharing_in_vain_is_told(tmp_path: Path) -> None:
    own = of_ids(tmp_path, [[1, 2, 3, n, 5, 6] for n in range(4)])
    [told] = notes(own, trace_of(own, 0, "replays.x"))
    assert told.startswith("prefix_sharing finds nothing: prompts have at most their first 3 tokens in common")


@pytest.mark.parametrize("prefix", [0, 15])
def test_sharing_of_lengths_alone_is_refused(tmp_path: Path, prefix: int) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("10,3\n20,4\n")
    own = scenario(workload=None, requests=None, file=str(file), prefix_sharing=True, shared_prefix_tokens=prefix)
    with pytest.raises(UserError, match=r"config\.yaml: replays\.x\.prefix_sharing: .*trace\.csv has lengths alone"):
        trace_of(own, 0, "replays.x")
    own |= {"shared_prefix_tokens": 16, "policies": ["paged"], "max_running": 1}
    assert hits(own, trace_of(own, 0, "replays.x")) == 16


@pytest.mark.parametrize(
    ("text", "given", "line"),
    [
        ("10,3,2\n4,5,1\n", {}, r"trace\.csv: line 2: arrives at 1 s, the request before at 2 s; sort the file .*"),
        ("10,3\n4,x\n", {}, r"trace\.csv: line 2: output_tokens is 'x'; .*"),
        ("10,3\n100,30\n", {}, r"trace\.csv: line 2: 100 prompt \+ 30 output tokens are more than max_length 128; .*"),
        ("10,3,0\n4,5,3\n", {"step_time": None}, r"config\.yaml: replays\.x\.step_time: .*line 2 arrives at 3 s, .*"),
        ("10,3,0\n4,5,3\n", {"requests_per_s": 1}, r"config\.yaml: replays\.x\.requests_per_s: .*line 2 arrives .*"),
        ("1,1,5e9\n", {}, r"trace\.csv: line 1: arrival_s is 5e\+09; give seconds from 0 to 4e\+09"),
        ("", {}, r"trace\.csv: no request in it; .*"),
        ('{"prompt": "a", "output_tokens": 1}\n', {}, r"trace\.jsonl: line 1: text, and a replay has no tokenizer; .*"),
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
    with pytest.raises(UserError, match=r"config\.yaml: replays\.x\.max_length: 100 tokens do not hold .* of mixed"):
        trace_of(scenario(max_length=100), 0, "replays.x")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"polices": []}, r"replays\.x\.polices: unknown key; did you mean policies\?"),
        ({"policies": ["pagd"]}, r'replays\.x\.policies\[0\]: "pagd" .*did you mean paged\?'),
        ({"block_size": 0}, r"replays\.x\.block_size: 0 is not allowed; .*from 1 to 1024"),
        ({"pool_slots": 0}, r"replays\.x\.pool_slots: 0 is not allowed"),
        (
            {"pool_slots": 100},
            r"x\.pool_slots: under reserve-max one request gets at most 64 of 100, .* is 128",
        ),
        ({"pool_slots": 130, "block_size": 100}, r"pool_slots: under hf-static one request gets at most 100 of 130"),
        ({"pool_slots": 100, "policies": ["hf-batch"]}, r"pool_slots: under hf-batch .* at most 100 of 100"),
        ({"workload": None}, r"replays\.x: needs a workload by name or a file"),
        ({"file": "x.csv"}, r"replays\.x: needs a workload by name or a file"),
        ({"workload": None, "file": "no.csv"}, r'replays\.x\.file: no file "no\.csv"; give one that exists'),
        ({"requests": None}, r"replays\.x\.requests: missing; write how many"),
        ({"trace": "sharegpt"}, r"replays\.x\.trace: says what a file is"),
        ({"requests_per_s": 2}, r"replays\.x\.requests_per_s: arrivals need the time of a step; add step_time"),
        ({"step_time": {"constant_s": 1}}, r"replays\.x\.step_time\.source: missing"),
        ({"shared_prefix_tokens": 127}, r"replays\.x\.shared_prefix_tokens: 127 leave no room in max_length 128"),
        (
            {"prefix_sharing": True},
            r"replays\.x\.prefix_sharing: mixed has lengths alone, .*; give shared_prefix_tokens",
        ),
        (
            {"prefix_sharing": True, "shared_prefix_tokens": 15},
            r"replays\.x\.prefix_sharing: mixed has lengths alone",
        ),
        (
            {"prefix_sharing": True, "shared_prefix_tokens": 16, "policies": ["oracle"]},
            r"replays\.x\.prefix_sharing: of the policies only paged shares blocks; add it",
        ),
        ({"series_bins": 1}, r"replays\.x\.series_bins: 1 is not allowed"),
    ],
)
def test_what_the_configuration_gets_wrong_is_named_before_anything_runs(given: dict, line: str) -> None:
    with refused(line) as caught:
        scenario(**given)
    assert str(caught.value).startswith("config.yaml: replays.x")


def test_a_pool_of_just_one_request_is_enough() -> None:
    own = scenario(pool_slots=128, policies=list(POLICIES), allocator="best-fit")
    trace = trace_of(own, 0, "replays.x")
    assert {one.settings.policy for one in outcomes(own, trace)} == set(POLICIES)


def test_the_schema_knows_the_policies_and_allocators_of_the_replay() -> None:
    keys = read_yaml(SCHEMA)["$defs"]["replay"]["properties"]
    assert set(keys["policies"]["items"]["enum"]) == set(POLICIES) == set(keys["policies"]["default"])
    assert set(keys["allocator"]["enum"]) == set(ALLOCATORS)
    assert config_checks.RESERVING == RESERVING


def test_no_scenario_is_a_configuration_too() -> None:
    assert configured(replays={})["replays"] == {}


def test_the_window_of_a_full_queue_leaves_out_its_beginning_and_its_end() -> None:
    """Ten of 400 equal requests at once: 320 steps, of which the last 8 have no queue."""
    trace = Trace.of([8] * 400, [8] * 400)
    found = replay(trace, Settings("reserve-max", 1030, max_length=100, allocator="best-fit"), series_bins=1000)
    window = window_of(found, trace)
    assert (window.kind, window.first_step, window.steps) == ("full queue", 78, 311 - 78)
    assert window.sums["running"] == 10 * window.steps
    by = shares({"sums": window.sums, "steps": window.steps}, 1030)
    assert by["blocked_share_of_region"] == pytest.approx(30 / 1030)
    assert by["external_share_of_region"] == by["idle_share_of_pool"] == 0
    assert by["refused_steps_share"] == 1
    assert by["live_share_of_allocated"] == pytest.approx(11.5 / 100, rel=0.01)
    assert by["live_share_of_region"] == pytest.approx(11.5 * 10 / 1030, rel=0.01)


def test_too_few_requests_have_no_window() -> None:
    trace = Trace.of([8] * 30, [8] * 30)
    found = replay(trace, Settings("reserve-max", 1030, max_length=100, allocator="best-fit"))
    window = window_of(found, trace)
    assert (window.kind, window.first_step, window.steps) == ("all steps", 0, found.totals.steps)


def test_arrivals_over_time_are_their_own_window() -> None:
    trace = Trace.of([8] * 400, [8] * 400, np.arange(400) * 1.0)
    found = replay(trace, Settings("paged", 1030, step_time=StepTime.of(0.5)), series_bins=1000)
    window = window_of(found, trace)
    starts = found.series.t_ns
    last = np.flatnonzero(starts < 399e9).max()
    assert window.kind == "arrivals"
    assert window.first_step + window.steps == found.series.steps[:last].sum()
    assert window.sums["running"] / window.steps == pytest.approx(4, rel=0.01)  # 8 steps of 0.5 s, one arrival a second


def test_free_slots_of_a_refusal_are_external_or_blocked_and_others_idle() -> None:
    """Reservations of 10, 15 and 10 in 36 slots (docs: `external`), then a pool that nobody fills."""
    trace = Trace.of([8, 8, 8, 10], [3, 8, 3, 6])
    own = Settings("oracle", 36, allocator="best-fit")
    found = replay(trace, own, keep_steps=True)
    sums = {name: int(values.sum()) for name, values in found.series.sums.items()}
    by = shares({"sums": sums, "steps": found.totals.steps}, 36)
    refused = found.steps["refused"] == 1
    free = 36 - found.steps["allocated"]
    region = found.steps["allocated"].sum() + free[refused].sum()
    external = found.steps["external"].sum()
    assert external > 0
    assert by["external_share_of_region"] == pytest.approx(external / region)
    assert by["blocked_share_of_region"] == pytest.approx((free[refused].sum() - external) / region)
    assert by["idle_share_of_pool"] == pytest.approx(free[~refused].sum() / (36 * found.totals.steps))
    assert sum(by[f"{name}_share_of_region"] for name in REGION) == pytest.approx(1)


@pytest.mark.parametrize("policy", ["paged", *RESERVING])
@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_a_request_alone_is_a_replay_of_one_at_a_time(policy: str, allocator: str) -> None:
    rng = np.random.default_rng(3)
    trace = Trace.of(rng.integers(1, 90, 60), rng.integers(1, 70, 60))
    own = Settings(policy, 4096, max_running=1, max_length=200, block_size=16, allocator=allocator)
    assert alone_live_share(trace, own) == pytest.approx(replay(trace, own).totals.utilisation)
    assert alone_live_share(trace, Settings("hf-batch", 4096)) is None


def test_the_table_has_a_row_a_policy_with_what_was_replayed(tmp_path: Path) -> None:
    found, rows = ran(tmp_path)
    assert list(rows["policy"]) == found["settings"]["policies"]
    trace = trace_of(scenario(), 0, "replays.x")
    for row in rows.itertuples():
        again = replay(trace, Settings(row.policy, 1030, 256, 2048, 128))
        assert (row.steps, row.preemptions) == (again.totals.steps, again.totals.preemptions)
        assert row.running_peak_requests == again.totals.max_running
    by = rows.set_index("policy")
    assert by.loc["reserve-max", "running_mean_requests"] == 1024 // 128
    assert by.loc["reserve-max", "blocked_share_of_region"] == pytest.approx(6 / 1030, rel=1e-4)
    assert by.loc["paged", "running_mean_requests"] > by.loc["oracle", "running_mean_requests"]
    assert rows[[f"{name}_share_of_region" for name in REGION]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    assert rows["simulated_s"].isna().all()
    assert rows["requests_per_s"].isna().all()


def test_a_rate_gives_times(tmp_path: Path) -> None:
    found, rows = ran(tmp_path, requests_per_s=2.0, step_time=STEP, policies=["paged"])
    [row] = rows.to_dict("records")
    assert row["window"] == "arrivals"
    assert row["simulated_s"] >= row["last_arrival_s"] == pytest.approx(200, rel=0.2)
    assert row["step_time_source"] == "a test"
    assert found["policies"]["paged"]["totals"]["end_ns"] == pytest.approx(row["simulated_s"] * 1e9, rel=1e-5)


def test_series_and_steps_are_tables_by_policy() -> None:
    own = scenario(keep_steps=True, policies=["oracle", "paged"], series_bins=100)
    trace = trace_of(own, 0, "replays.x")
    told = []
    kept = list(outcomes(own, trace, told.append))
    assert sum(told) == 2 * 400
    series, steps = series_table(kept).to_pandas(), steps_table(kept).to_pandas()
    for one in kept:
        mine = series[series["policy"] == one.settings.policy]
        assert len(mine) <= 100
        assert mine["steps"].sum() == one.found.totals.steps == (steps["policy"] == one.settings.policy).sum()
        assert mine["live"].sum() == one.found.totals.live
        assert mine["unused_when_refused"].sum() == one.found.totals.unused_when_refused
    none = list(outcomes({**own, "keep_steps": False}, trace))
    assert steps_table(none).num_rows == 0
    assert steps_table(none).schema.equals(steps_table(kept).schema)


def test_published_values_stand_beside_their_own_conditions_only() -> None:
    found = read_published(PUBLISHED, "batched_requests")
    like = {"trace": "alpaca", "policy": "oracle", "pool_slots": 15700, "max_length": 2048}
    assert [one.low for one in found if one.applies(like)] == [72.75]
    for key, other in {"trace": "mixed", "policy": "hf-batch", "pool_slots": 15000, "max_length": 1024}.items():
        assert not [one for one in found if one.applies({**like, key: other})]
    region = read_published(PUBLISHED, "kv_region_live_share")
    shares_of = {one.where["policy"]: one.low for one in region}
    assert shares_of == {"reserve-max": 0.204, "power-of-two": 0.268, "oracle": 0.382, "paged": 0.963}


def _values(axes) -> list[float]:
    return [patch.get_width() for patch in axes.patches]


@pytest.mark.parametrize("width", [3.5, 7])
def test_the_figures_draw_the_table_and_the_values_that_apply(tmp_path: Path, width: float) -> None:
    _, rows = ran(tmp_path, policies=["reserve-max", "hf-batch", "paged"])
    other = Published(0.5, 0.5, "b", "c", "d", "", {"policy": "oracle"})
    beside = Published(9.25, 9.25, "a", "under c", "printed in s", "", {"policy": "paged"})
    figure = batched_requests.draw(rows, [beside, other], {"width_in": width})
    assert _values(figure.axes[0]) == [*rows["running_mean_requests"], 9.25]
    assert "printed in s (under c)" in figure._supxlabel.get_text().replace("\n", " ")
    save(figure, [tmp_path / "b.png"], 80)

    beside = Published(0.25, 0.25, "a", "under c", "printed in s", "", {"policy": "paged"})
    given = {"live_share_of_region": [beside, other], "alone_live_share_of_allocated": []}
    figure = replay_waste.draw(rows, given, {"width_in": width})
    bars, alone = figure.axes
    wanted = 100 * rows[[f"{name}_share_of_region" for name in REGION]].to_numpy()
    assert _values(bars) == pytest.approx(wanted.ravel())
    assert _values(alone) == pytest.approx(100 * rows["alone_live_share_of_allocated"].dropna().to_numpy())
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in bars.lines] == [(25, 2)]
    assert "25.0" in {text.get_text() for text in bars.texts}
    assert figure.get_size_inches()[0] == width
    save(figure, [tmp_path / "w.png"], 80)


def test_without_published_values_no_mark_and_no_legend_of_one(tmp_path: Path) -> None:
    _, rows = ran(tmp_path)
    read = {column: read_published(PUBLISHED, name) for column, name in replay_waste.PUBLISHED.items()}
    figure = replay_waste.draw(rows, read)
    assert not figure.axes[0].lines
    assert "paper" not in " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert not batched_requests.draw(rows, read_published(PUBLISHED, "batched_requests")).legends


def test_the_report_shows_each_scenario(tmp_path: Path) -> None:
    _, rows = ran(tmp_path, requests_per_s=2.0, step_time=STEP)
    picture = write_picture(tmp_path / "replays/x/replay_waste.svg")
    [one] = sections(rows, [picture, tmp_path / "replays/y/replay_waste.svg"])
    assert (one.name, [each.name for each in one.figures]) == ("x", ["replay_waste"])
    assert "arriving at 2 a second; time of a step: a test" in one.setting
    assert len(one.table) == len(rows)
