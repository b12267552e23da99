"""Shared blocks and requests that have ended: the document adds up to what kv.paged makes of the schedule."""

from __future__ import annotations

from pathlib import Path

from builders.read_maps import counts_of, recorded_of
from builders.shared_runs import goes_on, shared_document


def side_of(folder: Path, lengths: list[tuple[int, int]], **changes) -> dict:
    return shared_document(folder, lengths, **changes)["sides"][0]


def test_a_block_of_a_running_request_and_of_one_that_ended_counts_as_in_kv_parquet(tmp_path: Path) -> None:
    """In step 2 the request that has ended had found 2 blocks, which are live; its own third one is finished."""
    side = side_of(tmp_path, [(70, 3), (70, 2)], **goes_on(0))
    assert counts_of(side) == recorded_of(side)
    assert (side["finished"], side["live"]) == ([0, 0, 32, 0], [76, 78, 72, 0])
    assert side["running"] == [2, 2, 1, 0]
    assert side["hits"] == [[], [0, 2]]


def test_blocks_are_finished_if_the_one_that_filled_them_has_ended(tmp_path: Path) -> None:
    """The first, which filled the shared blocks, has ended: they are finished although the second uses them."""
    side = side_of(tmp_path, [(70, 2), (70, 3)], **goes_on(1))
    assert counts_of(side) == recorded_of(side)
    assert (side["finished"], side["live"]) == ([0, 0, 96, 0], [76, 78, 8, 0])


def test_all_blocks_are_finished_once_no_request_runs(tmp_path: Path) -> None:
    side = side_of(tmp_path, [(70, 2), (70, 2)])
    assert counts_of(side) == recorded_of(side)
    assert side["finished"] == [0, 0, 128, 0]
    assert side["running"] == [2, 2, 0, 0]
