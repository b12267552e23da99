"""The search for the largest batch that fits."""

from __future__ import annotations

import pytest

from kvbench.largest_batch import PRECISION, search


@pytest.mark.parametrize(("failed", "most"), [(3, 1), (2, 1), (1, 0), (9, 8), (8, 0), (200, 131), (200, 199), (64, 1)])
def test_bounds_hold_and_are_near(failed, most):
    tried = []

    def serve(rows):
        tried.append(rows)
        return rows <= most

    limit = search(failed, serve)
    assert limit.fits <= most < limit.out_of_memory
    assert limit.out_of_memory - limit.fits <= max(1, limit.out_of_memory // PRECISION)
    assert [t.rows for t in limit.trials] == [failed, *tried]
    assert len(tried) <= failed.bit_length()


def test_the_record_names_both_bounds_and_every_trial():
    record = search(4, lambda rows: rows <= 2).record()
    assert (record["largest_batch_rows"], record["out_of_memory_rows"]) == (2, 3)
    assert record["trials"] == [
        {"rows": 4, "fits": False},
        {"rows": 2, "fits": True},
        {"rows": 3, "fits": False},
    ]
