"""The compiled kernels against a slow, independent reference implementation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders.branching_requests import REQUEST, prompts_of
from builders.replay_reference import reference
from builders.workloads import workload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.replay import ALLOCATORS, COLUMNS, Settings, StepTime, Trace, replay
from kvbench.replay.start import LOOK_AHEAD
from kvbench.replay.step_time import NO_TIME

EXAMPLES = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
REQUESTS = st.lists(REQUEST, min_size=1, max_size=25)


def alone(prompt, output, gap):
    """Rows of requests that share no text."""
    return [(*map(int, row), 0, 0) for row in zip(prompt, output, gap, strict=True)]


def work_of(rows):
    """Return the trace and the reference's inputs: prompts, output tokens and arrivals in ns."""
    prompts, (_, output, gap, _, _) = prompts_of(rows), np.array(rows).T
    table = workload(prompts, output, arrivals=np.cumsum(gap) / 1e9)
    return Trace.from_table(table, prefix_sharing=True), (prompts, output, np.cumsum(gap))


def assert_equal(rows, own, clock=None):
    trace, given = work_of(rows)
    found = replay(trace, own, clock_ns=clock, keep_steps=True)
    rows, times = reference(*given, own, clock)
    for number, name in enumerate(COLUMNS):
        np.testing.assert_array_equal(found.steps[name], [row[number] for row in rows], err_msg=name)
    for name, values in times.items():
        np.testing.assert_array_equal(getattr(found.requests, name), values, err_msg=name)
    return found


@EXAMPLES
@given(
    REQUESTS,
    st.integers(1, 17),
    st.integers(0, 60),
    st.integers(1, 9),
    st.integers(1, 70),
    st.sampled_from([0, 0, 3, 11]),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_paged(rows, block_size, spare, running, tokens, long, watermark, must_fit, sharing, ahead):
    own = Settings(
        "paged",
        pool_slots=(-(-63 // block_size)) * block_size + spare,
        block_size=block_size,
        max_running=running,
        max_step_tokens=tokens,
        long_prefill_tokens=long,
        watermark_blocks=watermark,
        prompt_must_fit=must_fit,
        prefix_sharing=sharing,
        async_scheduling=ahead,
        step_time=StepTime(7, 1, 3, 2),
    )
    assert_equal(rows, own)


@EXAMPLES
@given(
    REQUESTS,
    st.lists(st.sampled_from([0, 1, 2, 5, 8, 16, 30]), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(0, 60),
    st.integers(1, 9),
    st.integers(1, 70),
    st.sampled_from([0, 0, 3, 11]),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([None, 64]),
    st.booleans(),
)
def test_paged_with_groups(rows, windows, block_size, spare, running, tokens, long, watermark, must_fit, most, ahead):
    own = Settings(
        "paged",
        pool_slots=len(windows) * (-(-63 // block_size) + 1) * block_size + spare,
        block_size=block_size,
        max_running=running,
        max_step_tokens=tokens,
        max_length=most,
        long_prefill_tokens=long,
        watermark_blocks=watermark,
        prompt_must_fit=must_fit,
        windows=tuple(windows),
        async_scheduling=ahead,
        step_time=StepTime(7, 1, 3, 2),
    )
    assert_equal(rows, own)


@settings(EXAMPLES, max_examples=60)
@given(REQUESTS, st.integers(1, 9), st.integers(0, 60), st.integers(1, 70), st.booleans(), st.booleans())
@pytest.mark.parametrize("reserves", ["reserve-max", "power-of-two", "oracle"])
def test_paged_with_reservations(reserves, rows, block_size, spare, tokens, sharing, ahead):
    own = Settings(
        "paged",
        pool_slots=(-(-64 // block_size)) * block_size + spare,
        max_length=64,
        block_size=block_size,
        max_step_tokens=tokens,
        prefix_sharing=sharing,
        reserves=reserves,
        async_scheduling=ahead,
        step_time=StepTime(7, 1, 3, 2),
    )
    assert assert_equal(rows, own).totals.preemptions == 0


@EXAMPLES
@given(
    REQUESTS,
    st.sampled_from(["reserve-max", "power-of-two", "oracle"]),
    st.sampled_from(ALLOCATORS),
    st.integers(128, 300),
    st.integers(1, 9),
    st.integers(1, 70),
    st.sampled_from([0, 0, 3, 11]),
)
def test_reservations(rows, policy, allocator, pool, running, tokens, long):
    own = Settings(
        policy,
        pool_slots=pool,
        max_length=64,
        allocator=allocator,
        max_running=running,
        max_step_tokens=tokens,
        long_prefill_tokens=long,
        step_time=StepTime(7, 1, 3, 2),
    )
    assert_equal(rows, own)


@EXAMPLES
@given(
    REQUESTS,
    st.sampled_from(["hf-batch", "hf-static"]),
    st.integers(72, 400),
    st.integers(0, 2),
    st.none() | st.integers(0, 30),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_padded(rows, policy, pool, spare, positions, running, block_size):
    longest = max(prompt + output for prompt, output, *_ in rows) + spare
    own = Settings(
        policy,
        pool_slots=pool,
        max_length=longest,
        max_context=None if positions is None else longest + positions,
        block_size=block_size,
        max_running=running,
        step_time=StepTime(7, 1, 3, 2),
    )
    assert_equal(rows, own)


POLICIES_OF_A_CLOCK = ["paged", "reserve-max", "power-of-two", "oracle", "hf-batch", "hf-static"]
AHEAD = pytest.mark.parametrize(
    ("policy", "ahead"), [*((policy, False) for policy in POLICIES_OF_A_CLOCK), ("paged", True)]
)


@settings(EXAMPLES, max_examples=60)
@given(REQUESTS, st.lists(st.integers(0, 90), min_size=1, max_size=120), st.integers(1, 70), st.integers(0, 9))
@AHEAD
def test_a_clock_decides_what_each_step_knows(policy, ahead, rows, gaps, tokens, running):
    """Also idle steps, and a clock that ends before the requests do."""
    limits = {"max_running": 1 + running, "max_step_tokens": tokens, "async_scheduling": ahead}
    own = Settings(policy, 200, max_length=64, block_size=4, **limits)
    assert_equal(rows, own, np.cumsum(gaps))


@AHEAD
def test_the_times_of_a_replays_own_steps_give_the_same_replay(policy, ahead):
    rng = np.random.default_rng(5)
    trace, _ = work_of(alone(rng.integers(1, 40, 60), rng.integers(1, 24, 60), rng.integers(0, 90, 60)))
    own = Settings(policy, 200, max_length=64, block_size=4, async_scheduling=ahead, step_time=StepTime(7, 1, 3, 2))
    timed = replay(trace, own, keep_steps=True)
    found = replay(trace, own, clock_ns=timed.steps["t_ns"], keep_steps=True)
    for name in COLUMNS:
        np.testing.assert_array_equal(found.steps[name], timed.steps[name], err_msg=name)
    np.testing.assert_array_equal(found.requests.start_ns, timed.requests.start_ns)


@pytest.mark.parametrize("allocator", ALLOCATORS)
def test_a_crowded_pool(allocator):
    """Few sizes and many requests: equal holes and long chains of merges."""
    rng = np.random.default_rng(4)
    rows = alone(rng.integers(1, 6, 1500), rng.integers(1, 9, 1500), np.zeros(1500, int))
    for pool in (61, 90):
        assert_equal(rows, Settings("oracle", pool, allocator=allocator, max_running=40, max_step_tokens=30))


@pytest.mark.parametrize("step_time", [StepTime(7, 1, 3, 2), NO_TIME])
@pytest.mark.parametrize(("policy", "ahead"), [("paged", False), ("paged", True), ("reserve-max", False)])
def test_many_decode_steps_between_two_events(policy, ahead, step_time):
    """More steps than the kernel takes in one go, with arrivals during them that wait and that are admitted."""
    rng = np.random.default_rng(6)
    gap = rng.integers(0, 2500, 14) if step_time != NO_TIME else np.zeros(14, int)
    rows = alone(rng.integers(1, 40, 14), rng.integers(1, 700, 14), gap)
    own = Settings(policy, 2100, max_length=740, block_size=7, step_time=step_time, async_scheduling=ahead)
    for running in (3, 20):
        assert_equal(rows, dataclasses.replace(own, max_running=running))
    assert_equal(alone([5], [LOOK_AHEAD + 100], [0]), own)


@pytest.mark.parametrize("policy", ["paged", "oracle", "hf-batch"])
def test_the_comparison_can_fail(policy):
    rng = np.random.default_rng(3)
    rows = alone(rng.integers(1, 40, 30), rng.integers(1, 24, 30), rng.integers(0, 7, 30))
    trace, given = work_of(rows)
    own = Settings(policy, 150, max_length=64, block_size=4, max_running=6, step_time=StepTime(7, 1, 3, 2))
    assert_equal(rows, own)
    for change in ({"pool_slots": 100}, {"max_running": 2}, {"step_time": StepTime(7, 1, 2)}):
        rows, _ = reference(*given, dataclasses.replace(own, **change))
        found = replay(trace, own, keep_steps=True)
        live = [row[COLUMNS.index("live")] for row in rows]
        t_ns = [row[0] for row in rows]
        assert live != found.steps["live"].tolist() or t_ns != found.steps["t_ns"].tolist()
