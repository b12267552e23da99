"""Why prompts that begin alike were not found: each reason counted by hand, in blocks of 4 tokens."""

from __future__ import annotations

import pytest

from kvbench.analysis.tables.prefix_hits_blocks import Beginnings, Pool, window_blocks
from kvbench.analysis.tables.prefix_hits_filling import Read, Rules
from kvbench.analysis.tables.prefix_hits_reasons import REASONS, Asked, reasons
from kvbench.kv.groups import FULL, ONE_GROUP, SLIDING, PagedGroup

FIRST = tuple(range(10))  # two blocks and two tokens


def asked(name, prompt, found, output=3):
    return Asked(name, tuple(prompt), (*prompt, *range(90, 89 + output)), found)


def lost(requests, reads, *, groups=ONE_GROUP.groups, **rules):
    """The last request's row without zeros, once it is checked that it adds up."""
    rows = reasons(requests, groups, 4, reads, Rules(**rules))
    for row in rows:
        assert row["found"] + sum(row[name] for name in REASONS) == row["alike"]
    return {name: count for name, count in rows[-1].items() if count and name in REASONS}


def both(*, blocks=(1, 2, 4), step=0):
    """The tables of a first request in blocks 1 to 3 and of a second one."""
    return [Read(0, "a", 0, 10, [1, 2, 3]), Read(step, "b", 0, 10, list(blocks))]


def test_what_is_beyond_the_last_whole_unit_is_computed():
    assert lost([asked("a", FIRST, 0), asked("b", FIRST, 8)], both()) == {"beyond_last_unit": 2}


def test_a_beginning_shorter_than_a_unit_is_not_found():
    other = (0, 1, 2, *range(50, 57))
    assert lost([asked("a", FIRST, 0), asked("b", other, 0)], both(blocks=(4, 5, 6))) == {"shorter_than_unit": 3}


def test_the_last_token_of_a_prompt_takes_a_whole_unit_with_it():
    reads = [Read(0, "a", 0, 10, [1, 2, 3]), Read(1, "b", 0, 8, [1, 4])]
    assert lost([asked("a", FIRST, 0), asked("b", FIRST[:8], 4)], reads) == {"last_token": 4}


def test_a_block_that_was_given_to_another_request_is_evicted():
    """Request a has ended; c is given block 2, so that b finds only block 1."""
    other = tuple(range(60, 64))
    requests = [asked("a", FIRST, 0), asked("c", other, 0), asked("b", FIRST, 4)]
    reads = [Read(0, "a", 0, 10, [1, 2, 3]), Read(3, "c", 0, 4, [2]), Read(4, "b", 0, 10, [1, 5, 6])]
    assert lost(requests, reads) == {"evicted": 4, "beyond_last_unit": 2}


def test_a_copy_in_another_block_is_found():
    """Requests a and c have computed the same in blocks of their own: that a's were given away costs b nothing."""
    requests = [asked("a", FIRST, 0), asked("c", FIRST, 0), asked("d", range(60, 72), 0), asked("b", FIRST, 8)]
    reads = [
        *(Read(0, "a", 0, 10, [1, 2, 3]), Read(0, "c", 0, 10, [4, 5, 6])),
        *(Read(1, "d", 0, 12, [1, 2, 3]), Read(2, "b", 0, 10, [4, 5, 7])),
    ]
    assert lost(requests, reads) == {"beyond_last_unit": 2}


def test_what_the_same_step_computes_is_found_where_the_engine_finds_it_at_once():
    requests = [asked("a", FIRST, 0), asked("b", FIRST, 0)]
    separate = both(blocks=(4, 5, 6))
    assert lost(requests, separate, at_once=False) == {"not_computed_yet": 8, "beyond_last_unit": 2}
    assert lost(requests, separate) == {"unexplained": 8, "beyond_last_unit": 2}


def test_a_part_of_a_prompt_that_is_not_computed_yet():
    """Of a's prompt, the first step computes one block."""
    reads = [Read(0, "a", 0, 4, [1]), Read(0, "b", 0, 10, [1, 4, 5]), Read(1, "a", 0, 10, [1, 2, 3])]
    assert lost([asked("a", FIRST, 0), asked("b", FIRST, 4)], reads) == {"not_computed_yet": 4, "beyond_last_unit": 2}


def test_an_answer_is_part_of_what_later_prompts_are_compared_with():
    """The prompt of b goes on where a's answer ended: 10 + 3 - 1 stored tokens, three whole blocks."""
    turn = (*FIRST, 90, 91, 55, 56)
    reads = [Read(0, "a", 0, 10, [1, 2, 3]), Read(2, "a", 0, 12, [1, 2, 3]), Read(3, "b", 0, 14, [1, 2, 3, 4])]
    assert lost([asked("a", FIRST, 0), asked("b", turn, 12)], reads) == {}


def test_without_block_tables_the_engine_s_side_is_not_known():
    rows = reasons([asked("a", FIRST, 0), asked("b", FIRST, 4)], ONE_GROUP.groups, 4, None, Rules())
    assert [rows[1][name] for name in REASONS] == [0, 2, 0, None, None, None, None]
    unknown = reasons([asked("a", FIRST, None)], ONE_GROUP.groups, 4, [], Rules())
    assert unknown[0]["evicted"] is None


WINDOW = (PagedGroup(FULL, None, 1), PagedGroup(SLIDING, 6, 1))  # 5 tokens before the next one: two blocks


def windowed(last):
    """Request a has 16 tokens in 4 blocks of each table, of which the sliding one gives the first two back."""
    prompt = tuple(range(16))
    tables = [Read(0, "a", 0, 16, [1, 2, 3, 4]), Read(0, "a", 1, 16, [5, 6, 7, 8])]
    tables += [Read(1, "a", 0, 17, [1, 2, 3, 4, 9]), Read(1, "a", 1, 17, [0, 0, 7, 8, 10])]
    return [asked("a", prompt, 0)], [*tables, *last]


def test_a_window_needs_only_the_blocks_before_the_end_of_the_hit():
    """Blocks 5 and 6 were given to c, and b finds all 16 tokens; were block 7 gone, it would find none."""
    requests, reads = windowed([Read(2, "c", 0, 4, [5]), Read(2, "c", 1, 4, [6])])
    longer = (*range(16), 40)
    b = [Read(3, "b", 0, 17, [1, 2, 3, 4, 11]), Read(3, "b", 1, 17, [0, 0, 7, 8, 12])]
    requests.append(asked("c", range(70, 74), 0))
    assert lost([*requests, asked("b", longer, 16)], [*reads, *b], groups=WINDOW) == {}
    gone = [*reads, Read(2, "d", 0, 4, [7]), Read(2, "d", 1, 4, [13])]
    requests.append(asked("d", range(80, 84), 0))
    assert lost([*requests, asked("b", longer, 0)], [*gone, *b], groups=WINDOW) == {"evicted": 16}


@pytest.mark.parametrize(
    ("window", "size", "blocks"), [(64, 32, 2), (33, 32, 1), (34, 32, 2), (1, 32, 0), (512, 16, 32)]
)
def test_the_blocks_that_a_window_needs(window, size, blocks):
    assert window_blocks(window, size) == blocks


def test_full_attention_needs_every_block_from_the_first_one():
    pool = Pool(ONE_GROUP.groups, 4)
    for block, number in ((1, 0), (3, 2)):
        pool.put(block, (0, number))
    assert pool.findable([0, 1, 2], 3) == 1
    pool.put(2, (0, 1))
    assert (pool.findable([0, 1, 2], 3), pool.findable([0, 1, 2], 2)) == (3, 2)
    pool.put(1, None)
    assert (pool.findable([0, 1, 2], 3), pool.findable([0, 1, 2], 3, pool.kept)) == (0, 3)


def test_the_longest_common_beginning_is_of_any_earlier_sequence():
    beginnings = Beginnings(4)
    for tokens in ((1, 2, 3, 4, 5, 6), (1, 2, 3, 9), (1, 2, 3, 4, 5, 7, 8, 8, 1), (7,)):
        beginnings.add(tokens)
    found = [beginnings.alike(t) for t in ((1, 2, 3, 4, 5, 7, 8), (1, 2, 3, 4, 5, 6, 1), (1, 2, 8), (2,), (7, 7), ())]
    assert found == [7, 6, 2, 0, 1, 0]
