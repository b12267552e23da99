"""Sweeps of block size and KV budget: what is replayed beside the live engine, the table of both, the figures."""

from __future__ import annotations

import copy
import dataclasses
import logging

import numpy as np
import pandas as pd
import pytest
from builders.drawn import lines_of, points_of
from builders.places import PUBLISHED
from builders.run_recording import MAX_BATCHED_TOKENS
from builders.simulated_engine import BLOCK
from builders.swept import OUTPUT, PROMPT, TRACE, WORKLOAD, with_options

from kvbench.analysis.published import read_published
from kvbench.analysis.results import read_table
from kvbench.analysis.tables import sweeps
from kvbench.errors import UserError
from kvbench.figures import block_size, points, preemption
from kvbench.figures.data import rows_of
from kvbench.files import read_parquet
from kvbench.replay import Settings, replay, sweep
from kvbench.replay.live import settings_of


def test_a_replay_has_the_limits_in_force(swept):
    own = settings_of(swept[2])
    assert own == Settings(
        "paged", 544, max_running=256, max_step_tokens=MAX_BATCHED_TOKENS, max_length=512, block_size=BLOCK
    )
    options = {"long_prefill_token_threshold": 40, "watermark": 0.2, "scheduler_reserve_full_isl": False}
    asked = settings_of(with_options(swept[2], **options))
    changes = {"long_prefill_tokens": 40, "watermark_blocks": 3, "prompt_must_fit": False}  # 0.2 of 17 + the null block
    assert asked == dataclasses.replace(own, **changes)
    assert settings_of(swept[2], 1, 40) == dataclasses.replace(own, block_size=1, pool_slots=40)


def test_a_record_without_its_limits_is_one_line(swept):
    record = copy.deepcopy(swept[2].record)
    del record["settings"]["in_force"]["max_num_seqs"]
    with pytest.raises(UserError, match=r"run.json: lacks max_num_seqs in force; delete the folder and run again"):
        settings_of(dataclasses.replace(swept[2], record=record))


def test_pools_are_replayed_at_the_points_and_between_in_whole_blocks(swept):
    found = sweep.plan(swept, "kv_budget_mib")
    assert {one.run.engine for one in found} == {"vllm"}  # the replay is of vLLM's scheduler
    assert [one.point for one in found[:3]] == ["kv_budget_mib-16", "kv_budget_mib-128", None]
    pools = [one.settings.pool_slots for one in found]
    assert pools[:2] == [544, 4096]
    assert (pools[2], pools[-1]) == (544, 4096)
    assert pools[2:] == sorted(set(pools[2:]))
    assert all(pool % BLOCK == 0 for pool in pools)
    assert 20 < len(pools[2:]) <= sweep.GRID_POOLS


def test_block_sizes_are_replayed_from_one_token_in_the_same_budget(sized):
    found = sweep.plan(sized, "block_size")
    grid = [one.settings for one in found if one.point is None]
    assert [own.block_size for own in grid] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert {own.pool_slots for own in grid} == {4096}
    assert [one.settings.block_size for one in found if one.point] == [32, 128]


def test_points_that_differ_in_more_than_the_sweep_have_no_grid(swept, caplog):
    other = [swept[2], with_options(swept[3], long_prefill_token_threshold=40)]
    with caplog.at_level(logging.WARNING):
        found = sweep.plan(other, "kv_budget_mib")
    assert [one.point for one in found] == ["kv_budget_mib-16", "kv_budget_mib-128"]
    assert "differ in more than that" in caplog.text


def test_the_rows_are_what_the_replay_says(swept, sized):
    found = sweep.table(sweep.plan(swept, "kv_budget_mib"), WORKLOAD).iloc[0]
    totals = replay(TRACE, settings_of(swept[2])).totals
    assert found["preemptions"] == totals.preemptions > 0
    assert (found["steps"], found["live_slot_steps"]) == (totals.steps, totals.live)
    assert found["block_steps"] * BLOCK == totals.allocated
    needed = sum(PROMPT) + sum(OUTPUT) - 12
    assert found["computed_tokens"] - found["recomputed_tokens"] == needed < found["computed_tokens"]
    assert found["recomputed_share_of_computed"] == pytest.approx(1 - needed / found["computed_tokens"])
    assert found["preemptions_per_request"] == totals.preemptions / 12
    by_size = sweep.table(sweep.plan(sized, "block_size"), WORKLOAD).query("point.isna()")
    shares = by_size.set_index("block_size")["live_share_of_allocated"]
    assert shares[1] == 1
    assert shares.is_monotonic_decreasing
    tails = sum(-(-n // 32) * 32 for p, o in zip(PROMPT, OUTPUT, strict=True) for n in range(p, p + o))
    lives = sum(n for p, o in zip(PROMPT, OUTPUT, strict=True) for n in range(p, p + o))
    assert shares[32] == pytest.approx(lives / tails)


def test_a_pool_that_does_not_hold_the_longest_request_has_no_row(sized):
    final = max(p + o - 1 for p, o in zip(PROMPT, OUTPUT, strict=True))
    tight = [sweep.Setting(sized[0], None, settings_of(sized[0], size, final // size)) for size in (1, 7)]
    assert final % 7
    assert sweep.table(tight, WORKLOAD)["block_size"].tolist() == [1]


def test_shared_blocks_leave_what_is_computed_again_unknown_once_requests_are_preempted(swept):
    own = dataclasses.replace(settings_of(swept[2]), prefix_sharing=True)
    roomy = dataclasses.replace(own, pool_slots=4096)
    found = sweep.table([sweep.Setting(swept[2], "a", one) for one in (own, roomy)], WORKLOAD)
    assert found["preemptions"].gt(0).tolist() == [True, False]
    assert found["recomputed_tokens"].isna().tolist() == [True, False]
    assert found["recomputed_tokens"][1] == 0
    assert found["computed_tokens"][1] < sum(PROMPT) + sum(OUTPUT) - 12  # all prompts are the same text: found


def test_live_values_stand_beside_the_replay_and_their_difference(swept, sweep_tables):
    rows = sweep_tables[1].query("engine == 'vllm'").set_index("point")
    for run in swept[2:]:
        row, totals = rows.loc[run.point], replay(TRACE, settings_of(run)).totals
        steps = read_parquet(run.folder / "kv.parquet").to_pandas().query("repeat == 1 and running > 0")
        live = {"steps": len(steps), "block_steps": steps["allocated"].sum() // BLOCK}
        live |= {"computed_tokens": steps["scheduled_tokens"].sum(), "live_slot_steps": steps["live"].sum()}
        live["preemptions"] = run.timed("all")[0]["preemptions"]
        replayed = {"steps": totals.steps, "block_steps": totals.allocated // BLOCK, "live_slot_steps": totals.live}
        replayed |= {"computed_tokens": totals.scheduled_tokens, "preemptions": totals.preemptions}
        for name in sweeps.COUNTS:
            assert row[f"least_{name}"] == row[f"most_{name}"] == live[name], name
            assert row[f"replay_{name}"] == replayed[name], name
            assert row[f"difference_{name}"] == live[name] - replayed[name], name
    # The synthetic engine, written without the replay in mind, schedules and preempts as it does.
    assert rows["equals_replay"].tolist() == ["yes", "yes"]
    assert rows["most_preemptions"].gt(0).tolist() == [True, False]
    assert rows["n_repeats"].tolist() == [6, 6]
    samples = read_table(sweep_tables[0].parent / "repeats.csv").query("scope == 'all' and engine == 'vllm'")
    medians = samples.groupby("point")["output_tokens_per_s"].median()
    assert rows["output_tokens_per_s_median"].to_dict() == pytest.approx(medians.to_dict(), rel=1e-5)


def test_the_repeat_that_differs_most_is_what_counts(swept, sweep_tables):
    samples = read_table(sweep_tables[0].parent / "repeats.csv")
    one = (samples["engine"] == "vllm") & (samples["point"] == "kv_budget_mib-128") & (samples["scope"] == "all")
    changed = samples.copy()
    changed.loc[changed.index[one][:2], "preemptions"] += [1, 3]
    other = sweep_tables[2].assign(steps=sweep_tables[2]["steps"] + 2)
    row = sweeps.table({"kv_budget_mib": swept[3:]}, changed, other, 0).iloc[0]
    assert row["difference_steps"] == -2
    assert (row["difference_preemptions"], row["least_preemptions"], row["most_preemptions"]) == (3, 0, 3)
    assert row["equals_replay"] == "no"


def test_a_base_point_has_a_row_in_its_place_in_each_sweep(swept, sweep_tables):
    """The base of 4096 slots stands between pools of 544 and 8192, and alone among block sizes."""
    samples = read_table(sweep_tables[0].parent / "repeats.csv")
    samples = samples[samples["engine"] == "vllm"].replace({"point": {"kv_budget_mib-128": "base"}})
    records = [copy.deepcopy(run.record) for run in swept[2:]]
    records[1]["point"] = "base"
    records.append(copy.deepcopy(records[0]))
    records[2]["point"] = "kv_budget_mib-256"
    records[2]["capacity"]["pool_slots"] = 8192
    samples = pd.concat([samples, samples[samples["point"] == "kv_budget_mib-16"].assign(point="kv_budget_mib-256")])
    first, base, last = (dataclasses.replace(swept[2], record=record) for record in records)
    base = dataclasses.replace(base, folder=swept[3].folder)
    points = {"block_size": [base], "kv_budget_mib": [base, first, last]}
    found = sweeps.table(points, samples, sweep_tables[2].iloc[:0], 0)
    assert found["sweep"].tolist() == ["block_size"] + ["kv_budget_mib"] * 3
    assert found["point"].tolist() == ["base", "kv_budget_mib-16", "base", "kv_budget_mib-256"]
    assert found["pool_slots"].tolist() == [4096, 544, 4096, 8192]


def test_an_engine_without_a_replay_has_empty_cells(sweep_tables):
    rows = sweep_tables[1].query("engine == 'hf-continuous'")
    assert rows[[name for name in rows if name.startswith(("replay_", "difference_"))]].isna().all(axis=None)
    assert rows["equals_replay"].isna().all()
    assert rows["output_tokens_per_s_median"].notna().all()


def test_without_sweeps_there_are_no_rows():
    empty = sweeps.read_replays([])
    found = sweeps.table({}, pd.DataFrame({"scope": []}), empty, 0)
    assert list(found) == list(sweeps.COLUMNS)
    assert found.empty


@pytest.mark.parametrize("width_in", [3.5, 7])
def test_preemption_draws_points_and_the_replay_but_no_replayed_speed(sweep_tables, width_in):
    table, replays = rows_of(sweep_tables[0], "smollm2-135m", "mixed"), sweep_tables[2]
    differs = (table["engine"] == "vllm") & (table["point"] == "kv_budget_mib-16")
    columns = ["equals_replay", "difference_steps", "replay_steps", "difference_preemptions"]
    table.loc[differs, columns] = ["no", 3, 200, -1]
    figure = preemption.draw(table, replays, {"width_in": width_in})
    assert figure.get_size_inches()[0] == width_in
    events, again, speed = figure.axes
    vllm = table[table["engine"] == "vllm"]
    assert points_of(events)[1][0].tolist() == vllm["preemptions_per_request_median"].tolist()
    assert points_of(again)[1][0] == pytest.approx(100 * vllm["recomputed_share_of_computed_median"])
    [(x, y)] = lines_of(events)
    assert (x[0], x[-1]) == (544, 4096)
    assert len(x) > 20
    assert (y[0], y[-1]) == (replays["preemptions_per_request"][0], 0)
    assert not lines_of(speed)
    ends = np.array(points_of(speed)[1][1])
    np.testing.assert_allclose(ends, vllm[["output_tokens_per_s_ci95_low", "output_tokens_per_s_ci95_high"]])
    text = " ".join(figure._supxlabel.get_text().split())
    assert "n = 6 repeats, whisker: 95% bootstrap interval" in text
    assert "at 1 of 2 points the live engine differs: steps +1.5%, preemptions -1 blocks" in text


def test_differences_of_several_points_are_a_range(sweep_tables):
    table = rows_of(sweep_tables[0], "smollm2-135m", "mixed").query("engine == 'vllm'")
    given = {"equals_replay": "no", "difference_computed_tokens": [10, 0], "replay_computed_tokens": [1000, 500]}
    assert points.caption(table.assign(**given)).endswith("differs: tokens computed +0% to +1%")


def by_size(sweep_tables):
    """Rows of a sweep of block sizes with 3 repeats, from those of budgets."""
    vllm = rows_of(sweep_tables[0], "smollm2-135m", "mixed").query("engine == 'vllm'")
    unknown = {name: np.nan for name in vllm if "_ci95_" in name}
    return vllm.assign(**unknown, n_repeats=3, sweep="block_size", block_size=[32, 128], equals_replay="yes")


@pytest.mark.parametrize("width_in", [3.5, 7])
def test_block_size_draws_ranges_below_six_repeats_and_block_sizes_of_the_paper(sweep_tables, sized, width_in):
    table, replays = by_size(sweep_tables), sweep.table(sweep.plan(sized, "block_size"), WORKLOAD)
    published = read_published(PUBLISHED, block_size.PUBLISHED["sharegpt"])
    figure = block_size.draw(table, replays, published, {"width_in": width_in})
    filled, speed = figure.axes
    [(x, y)] = lines_of(filled)
    assert list(x) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert y[0] == 100
    assert points_of(filled)[0][0] == pytest.approx(100 * table["live_share_of_allocated_median"])
    np.testing.assert_allclose(
        np.array(points_of(speed)[0][1]), table[["output_tokens_per_s_min", "output_tokens_per_s_max"]]
    )
    assert not lines_of(speed)
    [bar] = [line for line in speed.lines if line.get_linewidth() == 4]
    assert list(bar.get_xdata()) == [16, 128]
    assert [t.get_text() for t in speed.texts] == ["paper, ShareGPT: least latency"]
    assert [t.get_text() for t in filled.get_xticklabels()] == [str(1 << n) for n in range(8)]
    text = " ".join(figure._supxlabel.get_text().split())
    assert "n = 3 repeats, whisker: range" in text
    assert "exactly the live steps, blocks, tokens computed and preemptions" in text
    assert "Section 7.2" in text


def test_points_without_a_replay_say_nothing_of_one(sweep_tables):
    table = rows_of(sweep_tables[0], "smollm2-135m", "mixed").query("engine == 'hf-continuous'")
    none = sweep_tables[2].iloc[:0]
    assert "replay" not in points.caption(table)
    assert [handle.get_label() for handle in points.handles(table, none)] == ["hf-continuous"]
    assert preemption.draw(table, none).axes


def test_block_sizes_of_the_paper_are_sizes():
    for quantity in block_size.PUBLISHED.values():
        [one] = read_published(PUBLISHED, quantity)
        assert 1 < one.low < one.high
        assert "latency" in one.conditions
