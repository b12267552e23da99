"""Sweeps are replayed with the live engine's limits, at its points and between them."""

from __future__ import annotations

import copy
import dataclasses
import logging

import pytest
from builders.run_recording import MAX_BATCHED_TOKENS
from builders.simulated_engine import BLOCK
from builders.swept import OUTPUT, PROMPT, TRACE, WORKLOAD, with_options

from kvbench.errors import UserError
from kvbench.replay import Settings, replay, sweep
from kvbench.replay.live_run import settings_of, unmodelled


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


def grouped(run, *windows, options=()):
    """The run as one of a model with four layers of each of these windows; `options` are in force."""
    record = copy.deepcopy(run.record)
    groups = [{"kind": "sliding" if w else "full", "layers": 4, "elements": 64, "window": w} for w in windows]
    record["groups"] = groups
    record["settings"]["in_force"] |= dict(options)
    return dataclasses.replace(run, record=record)


def test_a_replay_has_the_windows_of_vllms_block_tables(swept):
    own = settings_of(swept[2])
    assert settings_of(grouped(swept[2], None)) == own
    assert settings_of(grouped(swept[2], 48)) == dataclasses.replace(own, windows=(48,))
    assert settings_of(grouped(swept[2], 48, None)) == dataclasses.replace(own, windows=(48, 0))


def test_what_no_replay_knows_of_groups_is_said(swept, caplog):
    run, sharing = swept[2], {"enable_prefix_caching": True}
    assert unmodelled(grouped(run, None, options=sharing)) is None
    assert unmodelled(grouped(run, 48, None)) is None
    assert unmodelled(grouped(run, 48, None, options=sharing)) == "prefix caching with several KV groups or a window"
    padded = grouped(run, 48)
    padded.record["engine"] = "hf-batch"
    assert unmodelled(padded) == "batches of a model with sliding windows"
    reserved = grouped(run, 48, None)
    reserved.record["engine"] = "vllm-reserved-oracle"
    assert unmodelled(reserved) == "reservations with several KV groups or a window"
    with caplog.at_level(logging.WARNING):
        assert not sweep.plan([grouped(one, 48, None) for one in swept], "kv_budget_mib")
    assert "no replay of its sweep" in caplog.text


def test_a_record_without_its_limits_is_one_line(swept):
    record = copy.deepcopy(swept[2].record)
    del record["settings"]["in_force"]["max_num_seqs"]
    with pytest.raises(
        UserError, match=r"run.json: has no value in force of max_num_seqs; delete the folder and run again"
    ):
        settings_of(dataclasses.replace(swept[2], record=record))


def test_pools_are_replayed_at_the_points_and_between_in_whole_blocks(swept):
    found = sweep.plan(swept, "kv_budget_mib")
    assert {one.run.engine for one in found} == {"vllm"}  # the replay models vLLM's scheduler
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
    assert "differ in other settings too" in caplog.text


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
    assert found["computed_tokens"][1] < sum(PROMPT) + sum(OUTPUT) - 12  # all prompts are the same: hits
