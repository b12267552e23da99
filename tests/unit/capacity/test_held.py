"""What a request holds in each KV group: by hand, step by step, and as plans give it."""

import dataclasses

import numpy as np
import pytest
from builders.places import SHAPES
from builders.plans import CARD, KNOWN, make_plan
from builders.refusals import refused

from kvbench.capacity.contexts import curve, read_conditions
from kvbench.capacity.fit import fit_of_groups
from kvbench.capacity.group_bytes import group_bytes, group_slope
from kvbench.capacity.held import blocks_of_length, paged_blocks, reserved_bytes, row_bytes
from kvbench.capacity.memory import Card, Room
from kvbench.capacity.plan import answer, settings_of
from kvbench.capacity.table import table
from kvbench.kv.groups import LayerGroup, vllm_paging
from kvbench.replay import Settings, Trace

GROUPS = (LayerGroup("sliding", 3, 8, 6), LayerGroup("full", 1, 8))  # three tables with a window, one without
HYBRID = dataclasses.replace(KNOWN["gemma-3-27b"], groups=GROUPS, parameters=1)


def room(**given) -> Room:
    return Room(dataclasses.replace(HYBRID, **given), "float16", Card("x", 1e-5, 1.0, 0.0), 1)


def blocks_by_hand(tokens: int, before: int, size: int) -> int:
    """Blocks with a token that the window of 6 still holds, three times, and all blocks once.

    `before`: tokens that were stored before the step; the first of the step attends to the five before it.
    """
    whole = -(-tokens // size)
    return 3 * sum((block + 1) * size > before - 5 for block in range(whole)) + whole


def test_bytes_of_groups_stop_at_their_window():
    assert group_bytes(GROUPS, 2, 5) == [3 * 8 * 2 * 5, 8 * 2 * 5]
    assert group_bytes(GROUPS, 2, 50) == [3 * 8 * 2 * 6, 8 * 2 * 50]
    assert [group_slope(group, 2, 5) for group in GROUPS] == [48, 16]
    assert [group_slope(group, 2, 6) for group in GROUPS] == [0, 16]


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_blocks_of_a_request_step_by_step(size: int):
    trace = Trace.of([4, 1, 19], [5, 30, 1])
    whole, decoding = blocks_of_length(vllm_paging(GROUPS), size, 40)
    assert list(whole) == [blocks_by_hand(n, 0, size) for n in range(41)]
    assert list(decoding[1:]) == [blocks_by_hand(n, n - 1, size) for n in range(1, 41)]
    requests = zip(trace.prompt_tokens, trace.output_tokens, strict=True)
    steps = [
        [blocks_by_hand(n, 0 if n == prompt else n - 1, size) for n in range(prompt, prompt + output)]
        for prompt, output in requests
    ]
    most, held = paged_blocks(trace, vllm_paging(GROUPS), size)
    assert most == pytest.approx(np.mean([max(one) for one in steps]))
    assert held == pytest.approx(sum(map(sum, steps)) / trace.output_tokens.sum())


def test_a_reservation_is_a_row_of_the_window_in_layers_that_have_one():
    assert row_bytes(room(), 10) == 3 * 8 * 2 * 6 + 8 * 2 * 10
    assert list(reserved_bytes(room(), [4, 10])) == [4 * 8 * 2 * 4, row_bytes(room(), 10)]
    found = fit_of_groups(Trace.of([4, 10], [3, 1]), Settings("oracle", 1, max_length=32), room())
    assert (found.mean_slots, found.held_slots) == ((24 + 28) / 2, (3 * 24 + 28) / 4)  # slots of one layer
    assert not found.replayed


def test_what_the_replay_counts_is_replayed_for_mla_and_other_number_types():
    """A latent vector, and elements of one byte, change the slots alone: the replay of as many slots is the same."""
    plain = answer("x", make_plan(), KNOWN, 0)
    fp8 = answer("x", make_plan(kv_dtype="fp8"), KNOWN, 0)
    assert fp8.room.slot_bytes * 2 == plain.room.slot_bytes
    assert fp8.room.slots == plain.room.kv_bytes // (plain.room.slot_bytes // 2)
    mla = answer("x", make_plan(model="deepseek-v3", cards_per_model=19, max_running=40), KNOWN, 0)
    assert mla.room.slot_bytes == 61 * 576 * 2
    assert all(one.replayed for found in (fp8, mla) for one in found.fits)
    assert [one.requests_at_once for one in mla.fits][4] == 40


def test_a_plan_of_different_layers_replays_its_blocks_alone():
    step = {"constant_s": 0.1, "per_token_s": 0.0, "source": "a test"}
    found = answer("x", make_plan(model="gemma-3-27b", requests_per_s=3, step_time=step), KNOWN, 0)
    assert [one is None for one in found.demands] == [True] * 4 + [False]
    assert found.room.block_bytes(16) == 16 * 10 * 4096 * 2
    assert found.engine.blocks == found.room.kv_bytes // found.room.block_bytes(16) == found.room.blocks(16)
    rows = table([found]).set_index("policy")
    assert list(rows.replayed) == [False] * 4 + [True]
    assert rows[["requests_at_once", "limited_by", "cards"]].iloc[:4].isna().all(axis=None)
    assert rows.loc["reserve-max"].request_mean_slots == 62 * 128  # no request fills the window
    assert rows.loc["paged"].requests_at_once_by_held == pytest.approx(
        rows.loc["paged"].slots / rows.loc["paged"].held_mean_slots
    )


@pytest.mark.parametrize(("model", "tables", "spare_gib"), [("gemma-3-27b", 7, 6), ("gpt-oss-20b", 2, 2)])
def test_the_replay_of_block_tables_agrees_with_the_arithmetic(model: str, tables: int, spare_gib: float):
    """Where memory binds, and requests of up to 2,048 tokens leave windows of 1,024 and 128."""
    weights_gib = 2 * KNOWN[model].parameters / 0.85 / 2**30
    card = {**CARD, "memory_gib": weights_gib + spare_gib}
    plan = make_plan(model=model, card=card, workload="sharegpt", requests=800, max_length=2048, max_running=190)
    found = answer("x", {**plan, "max_step_tokens": 2048}, KNOWN, 0)
    own, paged = settings_of("paged", found.room, found.plan), found.fits[4]
    assert len(own.windows) == tables
    assert own.pool_slots // 16 == found.room.blocks(16)
    assert paged.limited_by == "memory"
    assert 0.95 < paged.requests_at_once / (found.room.slots / paged.held_slots) < 1.05


def test_layers_with_tokens_of_different_sizes_are_refused():
    groups = [
        {"kind": "full", "layers": 1, "kv_heads": 1, "head_dim": 8},
        {"kind": "sliding", "layers": 1, "kv_heads": 2, "head_dim": 8, "window": 64},
    ]
    plan = make_plan(shape={"groups": groups, "parameters": 5})
    del plan["model"]
    with refused(r"capacity\.x\.shape\.groups: .* cache tokens of different sizes \(16, 32 elements\)"):
        answer("x", plan, KNOWN, 0)


def test_the_curve_of_different_layers_by_hand():
    conditions = dataclasses.replace(read_conditions(SHAPES), card=Card(**CARD), dtype="float16")
    shape = KNOWN["gpt-oss-20b"]
    found = curve(shape, conditions, 0.5)
    left = found.cards * 68 * 2**30 - 2 * shape.parameters
    layer = 1024 * 2
    assert found.contexts_tokens[2] == 1024
    assert found.reserved[2] == left // (12 * layer * (128 + 1024))
    assert found.paged[2] == left // (12 * layer * ((128 + 15) + (512 + 7.5)))
