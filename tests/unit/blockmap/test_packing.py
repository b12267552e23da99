"""Packed changes: the same tables again, whatever they are, and small where blocks come from a queue."""

from __future__ import annotations

from builders.block_maps import paged_side, requests_of, rows_side
from hypothesis import given
from hypothesis import strategies as st

from kvbench.blockmap.packing import packed, unpacked

CELLS = 7
CHANGE = st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(0, 3)), st.integers(-1, CELLS - 1))


def side_of(changes: list[list[int]]) -> dict:
    return {"form": "paged", "cells": CELLS, "changes": changes}


def test_the_next_free_block_is_place_0_and_a_table_comes_back_last_entry_first() -> None:
    """2 requests take 0, 1 and 2; the first gives 0 and 1 back; then the queue is 3 to 6, 1, 0."""
    changes = [[0, 0, 0, 0, 1, 1, 1, 0, 2], [0, -1, -1], [2, 0, 3, 2, 1, 1, 2, 1, 0], [2, 2, -1]]
    found = packed(side_of(changes))["packed"]
    assert found == [[0, 0, 0, 0, 1, 0], [0, -1], [2, 0, 0, 3, 0, -2, 1, 0], [2, -2, 2, -1]]
    assert unpacked({"form": "paged", "cells": CELLS, "packed": found}) == side_of(changes)


@given(st.lists(st.lists(CHANGE, max_size=6), max_size=12))
def test_any_tables_come_back(steps: list[list[tuple[int, int | None, int]]]) -> None:
    lengths: dict[int, int] = {}
    changes: list[list[int]] = []
    for step in steps:
        changes.append([])
        for request, logical, cell in step:
            if logical is None:
                lengths[request] = 0
                changes[-1] += [request, -1, -1]
            else:
                at = min(logical, lengths.get(request, 0))
                lengths[request] = max(lengths.get(request, 0), at + 1)
                changes[-1] += [request, at, cell]
    assert unpacked(packed(side_of(changes))) == side_of(changes)


def test_simulated_sides_come_back_and_rows_stay_as_they_are() -> None:
    for prefix in (0, 64):
        side, _ = paged_side(requests_of(), blocks=24, shared_prefix=prefix)
        small = packed(side)
        assert unpacked(small) == side
        assert sum(map(len, small["packed"])) < 0.8 * sum(map(len, side["changes"]))
    rows, _ = rows_side(requests_of(), rows=3, width=200)
    assert packed(rows) == rows
