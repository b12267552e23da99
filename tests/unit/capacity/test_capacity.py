"""Capacity: memory, concurrent requests and Little's law by hand; error messages name the remedy."""

import math

import numpy as np
import pytest
from builders.plans import CARD, KNOWN, make_plan
from builders.refusals import refused

from kvbench.capacity.fit import fit, mean_slots
from kvbench.capacity.memory import Card, Room, cards_for_weights
from kvbench.capacity.plan import answer
from kvbench.capacity.rate import demand
from kvbench.capacity.table import table
from kvbench.replay import Settings, StepTime, Trace
from kvbench.replay.held import held_slots

SEVEN = Room(KNOWN["llama-2-7b"], "float16", Card(**CARD), 1)


def test_llama_2_7b_on_80_gib_by_hand():
    assert SEVEN.slot_bytes == 524_288
    assert SEVEN.weights_bytes == 13_476_831_232
    assert SEVEN.kv_bytes == 68 * 2**30 - 13_476_831_232 == 59_537_612_800
    assert SEVEN.slots == 113_558
    assert SEVEN.blocks(16) == 7_097


def test_several_cards_share_one_copy_of_the_weights():
    shape = KNOWN["llama-2-70b"]
    assert cards_for_weights(shape, "float16", Card(**CARD)) == 2
    assert Room(shape, "float16", Card(**CARD), 2).kv_bytes == 2 * 68 * 2**30 - 137_953_296_384
    assert Room(shape, "float16", Card(**CARD), 1).slots == 0


def test_a_card_exactly_as_large_as_the_weights_does_not_do():
    exact = Card("exact", 13_476_831_232 / 2**30, 1.0, 0.0)
    assert exact.usable_bytes == SEVEN.weights_bytes
    assert cards_for_weights(SEVEN.shape, "float16", exact) == 2


def test_slots_of_two_requests_by_hand():
    """Requests of (prompt, output) = (4, 2) and (1, 6): F = 5 and 6 slots over 2 and 6 steps."""
    trace = Trace.of([4, 1], [2, 6])

    def both(policy, block_size=16):
        own = Settings(policy, 1000, max_length=32, block_size=block_size)
        return mean_slots(trace, own), held_slots(trace, own)

    assert both("reserve-max") == (32, 32)
    assert both("oracle") == (5.5, (2 * 5 + 6 * 6) / 8)
    assert both("power-of-two") == ((5 + 8) / 2, (2 * 5 + 6 * 8) / 8)
    # blocks of 4: 4 and 5 tokens take 1 and 2; 1 to 6 tokens take 1 1 1 1 2 2
    assert both("paged", 4) == (8, 4 * (1 + 2 + 1 + 1 + 1 + 1 + 2 + 2) / 8)
    assert both("paged", 1) == (5.5, (4 + 5 + 1 + 2 + 3 + 4 + 5 + 6) / 8)
    assert both("hf-batch") == (None, None)


@pytest.mark.parametrize("size", [1, 3, 16])
def test_held_blocks_are_the_sum_over_steps(size):
    rng = np.random.default_rng(1)
    prompt, output = rng.integers(1, 90, 50), rng.integers(1, 70, 50)
    steps = [-(-n // size) for p, o in zip(prompt, output, strict=True) for n in range(p, p + o)]
    found = held_slots(Trace.of(prompt, output), Settings("paged", 1000, block_size=size))
    assert found == pytest.approx(size * sum(steps) / output.sum())


def test_reservations_of_the_maximum_fill_the_pool_and_a_step_takes_what_it_computes():
    trace = Trace.of([8] * 400, [8] * 400)
    own = Settings(
        "reserve-max",
        1030,
        max_length=100,
        allocator="best-fit",
        step_time=StepTime.of(0.5, 0.001),
        max_step_tokens=4096,
    )
    found = fit(trace, own, "capacity.x")
    assert found.requests_at_once == 10
    assert found.limited_by == "memory"
    assert found.pool_held_share == pytest.approx(1000 / 1030)
    assert found.steps_per_request == 8
    # ten requests start together: one step in eight computes 80 prompt tokens, seven compute 10
    assert found.step_s == pytest.approx(0.5 + 0.001 * (80 + 7 * 10) / 8, rel=0.01)
    assert found.live_share == pytest.approx(np.arange(8, 16).mean() / 100, rel=0.01)


def test_limits_are_told_apart():
    trace = Trace.of([8] * 400, [8] * 400)

    def limit(policy, **given):
        return fit(trace, Settings(policy, **{"pool_slots": 600, "max_length": 100, **given}), "x").limited_by

    assert limit("paged") == "memory"
    assert limit("paged", max_running=5) == "max_running"
    assert limit("paged", pool_slots=6000, max_step_tokens=20) == "max_step_tokens"
    assert limit("hf-batch", max_running=5) == "max_running"
    assert limit("hf-batch") == "memory"
    uneven = Trace.of([80, 8] * 200, [8, 80] * 200)
    assert fit(uneven, Settings("hf-batch", 6000, max_length=100), "x").limited_by == "max_context"
    assert fit(uneven, Settings("hf-batch", 6000, max_length=100, max_context=160), "x").limited_by == "memory"


def test_the_replay_agrees_with_the_arithmetic_where_memory_binds():
    found = answer(
        "x", make_plan(workload="alpaca", requests=4000, max_length=2048, max_running=4096, card=tight()), KNOWN, 0
    )
    by = {one.policy: one for one in found.fits}
    slots = found.room.slots
    assert by["reserve-max"].requests_at_once == slots // 2048
    for policy in ("power-of-two", "oracle", "paged"):
        assert 0.85 < by[policy].requests_at_once / (slots / by[policy].held_slots) < 1.02, policy
    assert by["oracle"].requests_at_once < by["paged"].requests_at_once


def tight():
    """A card with room for about 8,000 slots beside the weights."""
    return {**CARD, "memory_gib": (13_476_831_232 + 8_200 * 524_288) / 0.85 / 2**30}


def test_littles_law_by_hand():
    """20 requests/s for 100 steps of 50 ms keep 100 in service; at 30 per group they need 4 groups of 2 cards."""
    need = demand(20, 100, 0.05, 30, 2)
    assert need.time_s == pytest.approx(5)
    assert need.in_service == pytest.approx(100)
    assert (need.groups, need.cards) == (4, 8)
    assert need.most_per_s == pytest.approx(6)
    assert demand(18, 100, 0.05, 30, 1).groups == 3  # 90 / 30 exactly
    assert demand(0.001, 100, 0.05, 30, 1).cards == 1


def test_a_plan_with_a_rate_has_cards_and_one_without_has_none():
    step = {"constant_s": 0.1, "per_token_s": 0.0, "source": "a test"}
    timed = table([answer("x", make_plan(requests_per_s=30, step_time=step), KNOWN, 0)]).set_index("policy")
    assert timed.step_mean_s.to_numpy() == pytest.approx(0.1)
    for one in timed.itertuples():
        assert one.in_service_requests == pytest.approx(30 * one.steps_per_request * 0.1)
        assert one.cards == math.ceil(one.in_service_requests / one.requests_at_once)
        assert one.most_requests_per_s * one.cards >= 30
    assert timed.loc["paged"].steps_per_request == pytest.approx(timed.output_mean_tokens.iloc[0], rel=0.01)
    plain = table([answer("x", make_plan(), KNOWN, 0)])
    assert plain[["step_mean_s", "cards", "service_mean_s", "step_time_source"]].isna().all(axis=None)
    assert list(plain.requests_at_once) == list(timed.requests_at_once)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"model": "llama-2-7"}, r"capacity\.x\.model: unknown model llama-2-7; did you mean llama-2-7b\?"),
        ({"model": "llama-2-70b"}, r"cards_per_model: the weights of Llama-2 70B .*128\.5 GiB.*; they need 2 cards"),
        ({"max_length": 8192}, r"max_length: 8192 is more than the 4096 positions of Llama-2 7B"),
        ({"workload": "sharegpt", "max_length": 256}, r"max_length: 256 is less than .* of sharegpt \(\d+ tokens\)"),
        ({"card": {**CARD, "memory_gib": 14.8}}, r"cards_per_model: the weights leave 0\.03 GiB .* 58 slots"),
        (
            {"requests": 100},
            r"requests: 100 requests are too few: up to 40 run at once under reserve-max .*; raise it to 320",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_line(given, line):
    with refused(line) as caught:
        answer("x", make_plan(**given), KNOWN, 0)
    assert str(caught.value).startswith("config.yaml: capacity.x.")
