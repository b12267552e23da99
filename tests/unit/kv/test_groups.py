"""KV groups: units of slots, vLLM's and Transformers' block tables, and what a window leaves of a request."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvbench.kv.contiguous import BatchRecord, dynamic_width, split_by_group
from kvbench.kv.groups import (
    FULL,
    MLA,
    SLIDING,
    LayerGroup,
    PagedGroup,
    as_full,
    hf_paging,
    slot_elements,
    token_elements,
    units,
    vllm_paging,
)
from kvbench.kv.split import blocks_held, left_window, split_paged, split_rows
from kvbench.records import SPLIT

GEMMA = (LayerGroup(SLIDING, 5, 128, 64), LayerGroup(FULL, 1, 128))


def test_a_slot_is_a_token_in_all_layers_of_one_group_and_in_one_layer_of_several():
    plain = (LayerGroup(FULL, 30, 2 * 3 * 64),)
    assert (slot_elements(plain), units(plain)) == (30 * 384, (1,))
    assert (slot_elements(GEMMA), units(GEMMA), token_elements(GEMMA)) == (128, (5, 1), 6 * 128)
    unequal = (LayerGroup(SLIDING, 5, 128, 64), LayerGroup(FULL, 1, 192))
    assert (slot_elements(unequal), units(unequal)) == (64, (10, 3))


@pytest.mark.parametrize(
    ("layers", "tables", "page"),
    [
        ((5, 1), [1, 1, 1, 1, 1, 1], 1),  # Gemma 3 of 6 layers
        ((12, 12), [12, 12], 12),  # gpt-oss 20B
        ((52, 10), [9, 9, 9, 9, 8, 8, 10], 10),  # Gemma 3 27B: the last page has two layers that hold nothing
        ((12, 13), [12, 13], 13),  # below 1.5 times: padded to the larger
        ((27, 9), [9, 9, 9, 9], 9),  # the Ministral shape
    ],
)
def test_vllm_splits_layers_into_tables_of_the_smallest_group(layers, tables, page):
    sliding, full = layers
    paging = vllm_paging((LayerGroup(SLIDING, sliding, 128, 64), LayerGroup(FULL, full, 128)))
    assert [group.units for group in paging.groups] == tables
    assert (paging.page_units, paging.pages_per_token) == (page, len(tables))
    assert [group.window for group in paging.groups] == [64] * (len(tables) - 1) + [None]


def test_pages_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="different sizes"):
        vllm_paging((LayerGroup(SLIDING, 5, 128, 64), LayerGroup(FULL, 1, 1024)))


def test_one_group_is_paged_as_ever_whatever_it_caches():
    for kind, window in ((FULL, None), (MLA, None), (SLIDING, 64)):
        paging = vllm_paging((LayerGroup(kind, 30, 384, window),))
        assert paging.groups == (PagedGroup(kind, window, 1),)
        assert paging.page_units == 1


def test_transformers_has_a_table_a_kind_with_pages_of_a_layer_and_a_ring_for_a_window():
    assert hf_paging(GEMMA).groups == (PagedGroup(SLIDING, 64, 5, 5, True), PagedGroup(FULL, None, 1, 1, False))


def test_as_full_forgets_windows():
    assert as_full(GEMMA) == (LayerGroup(FULL, 6, 128),)
    assert as_full((LayerGroup(MLA, 3, 576),)) == (LayerGroup(MLA, 3, 576),)


def slot_by_slot(stored, final, size, window, back, ring):
    """Classify each place of the blocks that a running request holds by the literal definition."""
    names = []
    # A ring holds the newest token at each place; otherwise place = position.
    if ring:
        places = -(-min(stored, window) // size) * size
        newest = [max((p for p in range(stored) if p % window == place), default=None) for place in range(places)]
        in_ring = [place < window for place in range(places)]
    else:
        places = range(back * size, -(-stored // size) * size)
        newest = [place if place < stored else None for place in places]
        in_ring = [True] * len(newest)
    for place, (position, usable) in enumerate(zip(newest, in_ring, strict=True)):
        attended = position is not None and (window is None or position >= stored - window + 1)
        later = (place if ring else back * size + place) < final
        if position is not None:
            names.append("live" if attended else "expired")
        else:
            names.append("reserved" if usable and later else "internal")
    return {name: names.count(name) for name in SPLIT}


@given(st.integers(1, 200), st.integers(0, 100), st.integers(1, 32), st.integers(2, 90), st.integers(1, 200))
def test_a_window_of_blocks_equals_slot_by_slot(stored, ahead, size, window, new):
    group = PagedGroup(SLIDING, window, 1)
    back = int(left_window(max(stored - new, 0), size, group))
    split = split_paged(stored, stored + ahead, False, size, group, back)
    assert {n: int(p) for n, p in zip(SPLIT, split, strict=True)} == slot_by_slot(
        stored, stored + ahead, size, window, back, False
    )
    assert split.allocated == blocks_held(stored, size, group, back) * size


@given(st.integers(1, 200), st.integers(0, 100), st.integers(1, 32), st.integers(2, 90))
def test_a_ring_equals_slot_by_slot(stored, ahead, size, window):
    split = split_paged(stored, stored + ahead, False, size, PagedGroup(SLIDING, window, 1, 1, True))
    assert {n: int(p) for n, p in zip(SPLIT, split, strict=True)} == slot_by_slot(
        stored, stored + ahead, size, window, 0, True
    )


def test_a_block_is_given_back_once_the_next_token_attends_to_none_of_it():
    group = PagedGroup(SLIDING, 64, 1)
    # vLLM's own example, with its window of 4: after 7 tokens, tokens 0 to 3 are skipped.
    assert left_window([7], 4, PagedGroup(SLIDING, 4, 1)).tolist() == [1]
    assert left_window([94, 95, 126, 127], 32, group).tolist() == [0, 1, 1, 2]
    assert left_window([500], 32, PagedGroup(FULL, None, 1)).tolist() == [0]


def row_by_place(width, padding, stored, final, window):
    """Classify each place of a row that holds the last `width` of padding and tokens."""
    content = (["pad"] * padding + list(range(stored)))[-width:] if padding + stored > width else None
    content = ["pad"] * padding + list(range(stored)) if content is None else content
    names = []
    for one in content:
        live = one != "pad" and one >= stored - window + 1
        names.append("padding" if one == "pad" else "live" if live else "expired")
    free = width - len(content)
    names += ["reserved"] * min(free, final - stored) + ["internal"] * (free - min(free, final - stored))
    return {name: names.count(name) for name in SPLIT}


@given(st.integers(0, 40), st.integers(1, 60), st.integers(0, 60), st.integers(2, 50), st.integers(1, 90))
def test_a_row_with_a_window_equals_place_by_place(padding, stored, ahead, window, width):
    width = max(width, min(padding + stored, window))  # no library holds less than the window
    split = split_rows(width, padding, stored, stored + ahead, False, window)
    expected = row_by_place(width, padding, stored, stored + ahead, window)
    assert {n: int(p) for n, p in zip(SPLIT, split, strict=True)} == expected
    assert split.allocated == width


def test_a_growing_cache_holds_the_prompt_for_one_pass_and_then_the_window():
    """Window 4, prompt 6: the tensor has 6 tokens after the prompt, then the last 3 of them and the newest."""
    sliding = LayerGroup(SLIDING, 2, 8, 4)
    assert dynamic_width(sliding, 6, np.arange(4)).tolist() == [6, 4, 4, 4]
    assert dynamic_width(sliding, 2, np.arange(4)).tolist() == [2, 3, 4, 4]
    assert dynamic_width(LayerGroup(FULL, 1, 8), 6, np.arange(3)).tolist() == [6, 7, 8]
    assert (sliding.stored(10), sliding.stored(3), LayerGroup(FULL, 1, 8).stored(10)) == (4, 3, 10)


def test_a_hybrid_batch_worked_by_hand():
    """Two layers with a window of 4 and one without; prompts of 6 and 3, outputs of 2. One token of 8 in all."""
    groups = (LayerGroup(SLIDING, 2, 8, 4), LayerGroup(FULL, 1, 8))
    batch = BatchRecord(
        request_ids=("0", "1"),
        prompt_tokens=np.array([6, 3]),
        output_tokens=np.array([2, 2]),
        t_ns=np.arange(2),
        width=np.array([[6, 6], [4, 7]]),
        rows=np.array([2, 2]),
        tensor_bytes=np.array([2 * (2 * 6 + 6), 2 * (2 * 4 + 7)]),
        start_ns=0,
        end_ns=2,
        groups=groups,
    )
    assert batch.row_slots.tolist() == [18, 15]
    sliding, full = split_by_group(batch)
    # 3 tokens of each row are in the window. After the prompt, row 0 holds 3 others; then each row one, and no padding.
    assert (sliding.live.tolist(), sliding.expired.tolist()) == ([2 * 6, 2 * 6], [2 * 3, 2 * 2])
    assert (sliding.padding.tolist(), sliding.allocated.tolist()) == ([2 * 3, 0], [24, 16])
    assert (full.live.tolist(), full.padding.tolist(), full.expired.tolist()) == ([9, 11], [3, 3], [0, 0])
