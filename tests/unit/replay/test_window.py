"""Windows of a replay and shares of its slots, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kvbench.kv.policies import ALLOCATORS, RESERVING
from kvbench.replay import Settings, StepTime, Trace, replay
from kvbench.replay.held import alone_live_share, held_slots
from kvbench.replay.table import REGION, shares
from kvbench.replay.window import window_of


def test_the_window_of_a_full_queue_leaves_out_its_beginning_and_its_end() -> None:
    """400 equal requests, ten at a time: 320 steps, of which the last 8 have no queue."""
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
    """Reservations of 10, 15 and 10 in 36 slots (docs: `external`), then steps without a refusal."""
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


@pytest.mark.parametrize("windows", [(17,), (0, 17), (1, 32, 0, 0), (5, 500)])
def test_a_request_alone_in_kv_groups_is_a_replay_of_one_at_a_time(windows: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    trace = Trace.of(rng.integers(1, 90, 60), rng.integers(1, 70, 60))
    own = Settings("paged", 4096, max_running=1, max_length=200, block_size=16, windows=windows)
    totals = replay(trace, own).totals
    assert alone_live_share(trace, own) == pytest.approx(totals.utilisation)
    assert held_slots(trace, own) == pytest.approx(totals.allocated / totals.steps)
