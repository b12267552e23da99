"""Step times are found again in runs whose steps were made from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.served import COST, edited, lengths, write_served

from kvbench.analysis.results import load_run
from kvbench.replay import StepTime
from kvbench.replay.fit import MIN_STEPS, Durations, durations, fit, pooled
from kvbench.replay.live_run import MODELLED, PAGED
from kvbench.replay.live_steps import timed_repeats


@pytest.mark.parametrize("engine", MODELLED)
def test_a_step_time_is_found_in_the_steps_that_it_made(tmp_path, engine):
    """Also one with idle time, which would make steps of seconds."""
    run = load_run(write_served(tmp_path, engine, 6.0, requests=lengths(80)))
    found = fit(durations(run))
    predicted = cost(found.step_time, durations(run))
    np.testing.assert_allclose(predicted, durations(run).seconds, rtol=1e-4)
    assert found.r2 == pytest.approx(1, abs=1e-6)
    assert found.stalls == 0
    if "sequential" not in engine:  # with one request at a time, constant and cost per sequence are one
        assert near(found.step_time, COST, 1e-3)


def cost(step, steps):
    constants = step.constant_ns * steps.steps + step.prefill_ns * steps.prefills
    return (constants + step.per_sequence_ns * steps.sequences + step.per_token_ns * steps.tokens) / 1e9


def near(one, other, share):
    names = ("constant_ns", "per_token_ns", "per_sequence_ns", "prefill_ns")
    return all(getattr(one, name) == pytest.approx(getattr(other, name), rel=share) for name in names)


@pytest.mark.parametrize("engine", PAGED)
def test_steps_scheduled_ahead_are_those_that_were_computed_meanwhile(tmp_path, engine):
    """The reference's steps begin when the one before the last has been computed."""
    run = load_run(write_served(tmp_path, engine, 6.0, requests=lengths(80), ahead=True))
    steps = durations(run)
    np.testing.assert_allclose(cost(fit(steps).step_time, steps), steps.seconds, rtol=1e-4)
    if "sequential" not in engine:
        assert near(fit(steps).step_time, COST, 1e-3)
        assert steps.steps.max() > 1


def test_a_step_that_is_long_to_launch_is_taken_together_with_the_one_before(tmp_path):
    """The host is up to 30 ms late after it has launched a step of prompt tokens; what the steps cost is the same."""
    run = load_run(write_served(tmp_path, "vllm", 6.0, requests=lengths(80), ahead=True))
    rng = np.random.default_rng(1)

    def late(frame):
        step = frame["running"] > 0
        prompts = (step & (frame["scheduled_tokens"] > frame["running"])).shift(fill_value=False)
        gap = frame["t_ns"].shift(-1) - frame["t_ns"]
        frame["t_ns"] += (prompts * rng.uniform(0, 0.9, len(frame)) * gap.clip(0, 3e7).fillna(0)).astype("int64")

    found = fit(durations(edited(run, "kv", late)))
    assert near(found.step_time, COST, 2e-3)
    assert found.r2 > 0.99


def test_noise_is_averaged_and_told(tmp_path):
    run = load_run(write_served(tmp_path, "vllm", 3.0, requests=lengths(400), noise=0.2))
    found = fit(durations(run))
    assert near(found.step_time, COST, 0.1)
    low, middle, high = found.relative
    assert -0.25 < low < -0.1 < middle < 0.05 < high < 0.2
    assert found.absolute_s[0] < 0 < found.absolute_s[2]
    assert 0.3 < found.r2 < 1


def test_a_step_before_idle_time_does_not_count(tmp_path):
    """One request at a time with gaps: of each request's steps all but the last are followed by another of its own."""
    requests = np.tile([[8, 5]], (10, 1))
    run = load_run(write_served(tmp_path, "vllm", 0.1, repeats=1, requests=requests))
    [repeat] = timed_repeats(run)
    assert len(repeat.steps) == 50
    steps = durations(run)
    assert len(steps) == 40
    assert steps.seconds.max() < 0.1


def test_a_step_that_leaves_requests_waiting_counts(tmp_path):
    """One request at a time and a queue: the engine goes on at once, though with another request."""
    requests = np.tile([[8, 5]], (10, 1))
    run = load_run(write_served(tmp_path, "vllm-sequential", 1000.0, repeats=1, requests=requests))
    assert len(durations(run)) == 49


def test_rows_of_a_batch_are_computed_until_it_ends_with_their_padding(tmp_path):
    requests = np.array([[8, 5], [3, 2]])
    run = load_run(write_served(tmp_path, "hf-batch", 1e6, repeats=1, requests=requests))
    steps = durations(run)
    [repeat] = timed_repeats(run)
    if len(set(repeat.batch)) == 1:
        assert steps.sequences.tolist() == [2] * 5
        assert steps.tokens.tolist() == [16, 2, 2, 2, 2]
        assert steps.prefills.tolist() == [1, 0, 0, 0, 0]
    else:  # the second arrives after the first batch was formed
        assert steps.sequences.tolist() == [1] * 7
        assert steps.tokens.tolist() == [8, 1, 1, 1, 1, 3, 1]


def known(count, seconds=0.5):
    rng = np.random.default_rng(0)
    computed = rng.integers(1, 9, count), rng.integers(1, 500, count)
    return Durations(np.full(count, seconds), *computed, np.ones(count, np.int64), rng.integers(0, 2, count))


def test_too_few_steps_are_not_fitted():
    assert fit(known(MIN_STEPS - 1)) is None
    assert fit(known(MIN_STEPS)).steps == MIN_STEPS
    assert fit(pooled([])) is None


def test_equal_steps_have_no_variance_to_explain():
    found = fit(known(30))
    assert found.step_time == StepTime.of(0.5)
    assert found.r2 is None


def test_what_no_step_has_costs_nothing():
    steps = replace(known(200), prefills=np.zeros(200, np.int64))
    found = fit(replace(steps, seconds=0.5 + 1e-4 * steps.tokens)).step_time
    assert found == StepTime.of(0.5, 1e-4)


def test_no_cost_is_negative():
    steps = known(200)
    seconds = 0.5 - 1e-3 * steps.sequences + 1e-4 * steps.tokens
    found = fit(replace(steps, seconds=seconds)).step_time
    assert found.per_sequence_ns == 0
    assert found.per_token_ns == pytest.approx(1e5, rel=0.05)


def test_a_pause_of_the_machine_is_left_out_and_counted():
    steps = known(200)
    seconds = 0.01 + 1e-5 * steps.tokens
    seconds[7] = 3.0
    found = fit(replace(steps, seconds=seconds))
    assert (found.stalls, found.steps) == (1, 199)
    assert found.step_time == StepTime.of(0.01, 1e-5)


def test_steps_too_short_to_count_are_no_step_time():
    assert fit(known(30, seconds=1e-12)) is None
