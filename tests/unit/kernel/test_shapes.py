"""What a call of the attention kernel computes and moves, and the forms of its cache."""

from __future__ import annotations

import numpy as np
import pytest

from kvbench.kernel.forms import APART, CONTIGUOUS, IN_ORDER, PAGED, ROWS, SHUFFLED, Form, forms, row_tokens
from kvbench.kernel.shapes import DECODE, PREFILL, Heads, Shape, shapes

PLAIN = Heads("gqa", query_heads=4, kv_heads=2, value_dim=8)
LATENT = Heads("mla", query_heads=4, kv_heads=1, value_dim=8, rope_dim=2)
LAYOUTS = {
    "gqa": {"kind": "plain", "heads": 4, "kv_heads": 2, "head_dim": 8},
    "mla": {"kind": "mla", "heads": 4, "kv_lora_rank": 8, "rope_dim": 2},
}


def test_a_layout_of_the_configuration() -> None:
    assert Heads.of("gqa", LAYOUTS["gqa"]) == PLAIN
    assert Heads.of("mla", LAYOUTS["mla"]) == LATENT


def test_a_cached_token_holds_key_and_value_or_one_latent() -> None:
    assert (PLAIN.channels, PLAIN.keys, PLAIN.values) == (16, slice(0, 8), slice(8, 16))
    assert PLAIN.token_bytes(2) == 2 * 2 * 8 * 2  # K and V, heads, values, bytes
    # The latent is the value and the beginning of the key.
    assert (LATENT.channels, LATENT.keys, LATENT.values) == (10, slice(0, 10), slice(0, 8))
    assert LATENT.token_bytes(2) == (8 + 2) * 2


def test_lengths_are_seeded_and_between_half_and_all() -> None:
    shape = Shape(DECODE, PLAIN, 100, 50)
    lengths = shape.lengths(0)
    assert lengths[0] == lengths.max() == 100
    assert lengths.min() >= 50
    assert len(set(lengths)) > 10
    np.testing.assert_array_equal(lengths, shape.lengths(0))
    assert (lengths != shape.lengths(1)).any()


def test_operations_and_bytes_by_hand() -> None:
    lengths = np.array([5, 3])
    decode, prefill = Shape(DECODE, PLAIN, 5, 2), Shape(PREFILL, PLAIN, 5, 2)
    # Each of 4 heads: a dot product of 8 values and a sum of 8 values for each of 5 + 3 tokens.
    assert decode.flops(lengths) == 4 * (5 + 3) * (2 * 8 + 2 * 8)
    # Token i of a prompt attends to i tokens: 15 pairs and 6.
    assert prefill.flops(lengths) == 4 * (15 + 6) * (2 * 8 + 2 * 8)
    # 8 cached tokens of 64 bytes; a query of 4 · 8 values and an output of as many.
    assert decode.moved_bytes(lengths, 2) == 8 * 64 + 2 * (4 * 8 + 4 * 8) * 2
    assert prefill.moved_bytes(lengths, 2) == 8 * 64 + 8 * (4 * 8 + 4 * 8) * 2


def test_mla_has_longer_keys_than_values() -> None:
    lengths = np.array([5, 3])
    shape = Shape(DECODE, LATENT, 5, 2)
    assert shape.flops(lengths) == 4 * 8 * (2 * 10 + 2 * 8)
    assert shape.moved_bytes(lengths, 2) == 8 * 20 + 2 * (4 * 10 + 4 * 8) * 2


def test_a_prefill_step_takes_whole_prompts_and_mla_has_none() -> None:
    settings = {"layouts": LAYOUTS, "contexts_tokens": [16, 100], "batches": [1, 3], "prefill_tokens": 50}
    found = [(s.heads.name, s.phase, s.context, s.batch) for s in shapes(settings)]
    assert found == [
        *(("gqa", DECODE, 16, batch) for batch in (1, 3)),
        ("gqa", PREFILL, 16, 3),
        *(("gqa", DECODE, 100, batch) for batch in (1, 3)),
        ("gqa", PREFILL, 100, 1),
        *(("mla", DECODE, context, batch) for context in (16, 100) for batch in (1, 3)),
    ]


@pytest.mark.parametrize(("context", "row"), [(1, 64), (64, 64), (65, 128), (2048, 2048)])
def test_a_row_is_whole_pages_of_every_size(context: int, row: int) -> None:
    assert row_tokens([16, 64, 32], context) == row


def test_the_forms() -> None:
    found = forms([32, 16], 64, latent=False, rows=True)
    assert found == [
        *(Form(CONTIGUOUS), Form(APART), Form(ROWS)),
        Form(PAGED, 64, IN_ORDER),
        *(Form(PAGED, 16, IN_ORDER), Form(PAGED, 32, IN_ORDER)),
        *(Form(PAGED, 16, SHUFFLED), Form(PAGED, 32, SHUFFLED)),
    ]
    assert [form.name for form in forms([16], 64, latent=True, rows=False)] == [CONTIGUOUS, PAGED, PAGED, PAGED]


def test_a_page_of_the_row_is_not_measured_twice() -> None:
    assert [form.page_tokens for form in forms([16, 64], 64, latent=True, rows=False)] == [None, 64, 16, 16]
