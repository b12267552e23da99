"""Identities of blocks are chained, however the hashes were made."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kvbench.workload.block_ids import chained


def of(hashes: list[list[int]]) -> list[list[int]]:
    """Return the identities of each prompt's blocks."""
    counts = np.array([len(one) for one in hashes], np.int64)
    found = chained(np.array([h for one in hashes for h in one], np.int64), counts, 512)
    assert found.offsets.tolist() == [0, *np.cumsum(counts).tolist()]
    return [found.ids[begin:end].tolist() for begin, end in zip(found.offsets, found.offsets[1:], strict=False)]


def test_the_same_hash_behind_other_text_is_another_block() -> None:
    assert of([[5, 9], [6, 9], [5, 9, 5]]) == [[0, 2], [1, 3], [0, 2, 4]]


@given(st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=12))
def test_two_blocks_are_the_same_just_if_all_hashes_up_to_them_are(hashes: list[list[int]]) -> None:
    known: dict[tuple, int] = {}
    for one, ids in zip(hashes, of(hashes), strict=True):
        for place, found in enumerate(ids):
            assert known.setdefault(tuple(one[: place + 1]), found) == found
    assert len(set(known.values())) == len(known)
