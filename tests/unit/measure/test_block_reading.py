"""How often block ids are read, from requests counted by hand."""

from __future__ import annotations

from builders.requests import requests_of

from kvbench.measure.block_reading import LIMIT, block_stride, expected_ids

# 20 + 10 - 1 slots of 16: 2 blocks all the time; 16 + 33 - 1: from 1 block to 3.
REQUESTS = requests_of([(20, 10), (16, 33)])


def test_a_request_holds_its_mean_blocks_for_a_step_per_token() -> None:
    assert expected_ids(REQUESTS, 16) == 10 * 2 + 33 * 2
    assert expected_ids(REQUESTS, 512) == 10 + 33


def test_every_step_is_read_up_to_the_limit_and_a_stride_beyond() -> None:
    assert block_stride(REQUESTS, 16) == 1
    assert [block_stride(REQUESTS, 16, limit) for limit in (86, 85, 43, 42, 1)] == [1, 2, 2, 3, 86]
    assert 1_000_000 <= LIMIT < 10_000_000


def test_no_request_is_read_at_every_step() -> None:
    assert block_stride([], 16) == 1
