"""Tables from readings, by hand: preemption, requests that have ended, prefix hits."""

from __future__ import annotations

import pytest

from kvbench.blockmap.tables import Tables
from kvbench.kv.checks import AccountingError


def test_a_request_that_has_ended_keeps_its_blocks_until_they_are_gone() -> None:
    """It runs with its last token in step 1, is held in steps 2 and 3 and gone in step 4, as with a host ahead."""
    tables = Tables(5, [10])
    tables.read(0, 0, [[3]], 9, 0, False)
    tables.read(1, 0, [[3]], 10, 0, False)
    tables.read(2, 0, [[3]], 10, 0, True)
    tables.read(3, 0, [[3]], 10, 0, True)
    tables.completed(4, 0)
    assert tables.tokens == [[0, 9, 4, -1]]
    assert tables.changes == [[0, 0, 3], [], [], [], [0, -1, -1]]
    assert tables.done == [2]
    assert tables.events.flat() == [0, 0, 0, 1, 2, 0]


def test_a_preempted_request_begins_again() -> None:
    tables = Tables(6, [40])
    tables.read(0, 0, [[3, 4]], 20, 0, False)
    tables.preempted(1, 0)
    tables.read(3, 0, [[5]], 16, 0, False)
    tables.read(4, 0, [[5, 3]], 22, 0, False)
    assert tables.tokens == [[0, 20, 1, -1, 3, 16, 4, 22]]
    assert tables.changes == [[0, 0, 3, 0, 1, 4], [0, -1, -1], [], [0, 0, 5], [0, 1, 3], []]
    assert tables.events.flat() == [0, 0, 0, 1, 3, 0, 3, 0, 0]
    assert tables.done == [None]


def test_fewer_tokens_than_before_are_a_preemption_between_two_readings() -> None:
    tables = Tables(6, [40])
    tables.read(0, 0, [[3, 4]], 20, 0, False)
    tables.read(4, 0, [[3]], 9, 0, False)
    assert tables.changes[4] == [0, -1, -1, 0, 0, 3]
    assert tables.events.flat() == [0, 0, 0, 4, 3, 0, 4, 0, 0]


def test_a_block_that_another_takes_the_place_of_is_a_change() -> None:
    """Transformers merges equal blocks; vLLM gives a block back inside a request (-1)."""
    tables = Tables(3, [90])
    tables.read(0, 0, [[1, 2]], 40, 0, False)
    tables.read(1, 0, [[7, 2]], 41, 0, False)
    tables.read(2, 0, [[-1, 2, 4]], 42, 0, False)
    assert tables.changes == [[0, 0, 1, 0, 1, 2], [0, 0, 7], [0, 0, -1, 0, 2, 4]]


def test_prefix_hits_are_those_of_the_last_admission() -> None:
    tables = Tables(4, [90])
    tables.read(0, 0, [[1, 2]], 40, 1, False)
    tables.preempted(1, 0)
    tables.read(2, 0, [[1]], 20, 0, False)
    assert tables.hits == [[0, 1, 2, 0]]
    assert tables.events.flat() == [0, 0, 0, 0, 4, 0, 1, 3, 0, 2, 0, 0]


def test_a_request_that_stands_still_gets_a_pair() -> None:
    tables = Tables(3, [90])
    for step, tokens in enumerate((40, 40, 41)):
        tables.read(step, 0, [[1, 2]], tokens, 0, False)
    assert tables.tokens == [[0, 40, 1, 40]]


def test_a_request_that_leaves_before_its_last_token_is_refused() -> None:
    tables = Tables(3, [90])
    tables.read(0, 0, [[1]], 20, 0, False)
    with pytest.raises(AccountingError, match="tokens of a request in its last step"):
        tables.completed(1, 0)
