"""The search for the largest batch that fits."""

from __future__ import annotations

import pytest

from kvbench.measure.largest_batch import PRECISION, search


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


@pytest.mark.parametrize(("failed", "most", "fit"), [(40, 10, 40), (12, 10, 10), (40, 10, 6), (5, 1, 0), (5, 5, 4)])
def test_no_more_rows_are_tried_than_are_asked_for(failed, most, fit):
    limit = search(failed, lambda rows: rows <= fit, most)
    assert all(trial.rows <= most for trial in limit.trials[1:])
    assert limit.fits == min(most, fit)
    assert limit.out_of_memory == (failed if fit >= most else fit + 1)


def test_the_record_names_both_bounds_and_every_trial():
    record = search(4, lambda rows: rows <= 2).record()
    assert (record["largest_batch_rows"], record["out_of_memory_rows"]) == (2, 3)
    assert record["trials"] == [
        {"rows": 4, "fits": False},
        {"rows": 2, "fits": True},
        {"rows": 3, "fits": False},
    ]
