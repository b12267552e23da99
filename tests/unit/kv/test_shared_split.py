"""The split of blocks shared by several requests, from schedules with values known by hand."""

from __future__ import annotations

from builders.schedules import schedule_of

from kvbench.kv.paged import readers_state, rebuild, shared_split
from kvbench.kv.split import final_kv_length


def test_complete_requests_that_share_do_not_count_their_blocks_twice():
    """Each request holds 3 blocks, 4 distinct in all; once both are complete all 4 are finished and nothing is live."""
    schedule = schedule_of(free_blocks=[5, 5, 5])
    split = shared_split(schedule, rebuild(schedule, final_kv_length([70, 70], [2, 2])))
    assert split.live.tolist() == [64 + 2 * 6, 64 + 2 * 7, 0]
    assert split.reserved.tolist() == [2, 0, 0]
    assert split.internal.tolist() == [2 * 25, 2 * 25, 0]
    assert split.finished.tolist() == [0, 0, 4 * 32]


def test_a_complete_requests_own_blocks_are_finished_beside_a_running_one():
    """The second request hits 64 cached tokens and has one block of its own."""
    schedule = schedule_of(free_blocks=[5, 5, 5])
    split = shared_split(schedule, rebuild(schedule, final_kv_length([70, 70], [9, 2])))
    assert split.finished.tolist() == [0, 0, 32]
    assert split.live.tolist() == [64 + 2 * 6, 64 + 2 * 7, 64 + 7]
    assert split.allocated.tolist() == [128, 128, 128]


def test_where_ids_were_read_it_is_known_what_was_found_and_who_has_ended():
    """Read at steps 1 and 2: the second request is complete after step 1 and is not scheduled in step 2."""
    schedule = schedule_of(block_step=[1, 1, 2, 2], block_request=[0, 1, 0, 1])
    hits, ended = readers_state(schedule, final_kv_length([70, 70], [9, 2]))
    assert hits.tolist() == [0, 64, 0, 64]
    assert ended.tolist() == [False, False, False, True]
