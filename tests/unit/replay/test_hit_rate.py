"""Hit rates for every pool size in one pass equal a plain pool of each size, and the replay of requests one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.prefix_pool import hits_one_by_one
from builders.refusals import refused

from kvbench.replay import Settings, Trace, replay
from kvbench.replay.hit_rate import HitCurve, hit_curve
from kvbench.replay.hit_rate_blocks import blocks_of, blocks_of_tokens
from kvbench.replay.texts import text_key
from kvbench.workload.block_ids import BlockIds

A, B, C = range(100, 104), range(200, 204), range(300, 304)  # texts of two blocks of 2


def ids(*parts) -> np.ndarray:
    return np.array([one for part in parts for one in part], np.int32)


def curve_of(requests, size: int) -> HitCurve:
    """The curve of requests given as token ids of prompts and outputs, which later prompts may find."""
    texts = [ids(prompt, output)[:-1] for prompt, output in requests]
    lengths = zip(*((len(prompt), len(output)) for prompt, output in requests), strict=True)
    return hit_curve(blocks_of_tokens(texts, size), *lengths)


def chats(seed: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Interleaved conversations: each prompt is all that was said so far and some new tokens, unlike all others."""
    rng = np.random.default_rng(seed)
    system, said, found = np.arange(int(rng.integers(0, 4 * size)), dtype=np.int32), {}, []
    for number in range(30):
        who = int(rng.integers(0, 5))
        new = rng.integers(0, 1 << 20, (2, int(rng.integers(1, 3 * size))), np.int32)
        before = said.get(who, system)
        if len(before) > 12 * size:
            before = system
        prompt, output = ids(before, new[0], [-number - 1]), new[1]
        said[who] = ids(prompt, output)
        found.append((prompt + (1 << 20), output + (1 << 20)))
    return found


def test_three_requests_by_hand() -> None:
    """A has blocks a1 a2 and a tail, B the same; the third begins like A and finds a1 a2, under what B used since.

    After B: b1 b2 are used last, then a1, a2, and B's tail takes one more block: a1 needs 4 of them, a2 needs 5.
    """
    curve = curve_of([(ids(A, [1]), [9]), (ids(B, [2]), [9]), (ids(A, [3]), [9])], 2)
    assert curve.least_blocks == 3
    assert curve.pool_blocks.tolist() == [4, 5]
    assert curve.found_tokens.tolist() == [2, 4]
    assert curve.hit_tokens([3, 4, 5, 6, 10**9]).tolist() == [0, 2, 4, 4, 4]
    assert (curve.prompt_tokens, curve.most_hit_tokens, curve.repeated_blocks) == (15, 4, 0)


def test_a_request_without_a_tail_needs_one_block_less() -> None:
    """B fills its last block with its output: b1 b2 b3 stay cached, and no fourth block is taken for a moment."""
    curve = curve_of([(ids(A, [1]), [9]), (ids(B, [2]), [8, 9]), (ids(A, [3]), [9])], 2)
    assert curve.pool_blocks.tolist() == [4, 5]
    longer = curve_of([(ids(A, [1]), [9]), (ids(B, [2]), [7, 8, 9]), (ids(A, [3]), [9])], 2)
    assert longer.pool_blocks.tolist() == [5, 6]


def test_the_tail_of_an_earlier_request_counts_if_nothing_older_was_used_since() -> None:
    """The second request has a tail. The third has none and uses only what is newer than a1 a2 and one that is old."""
    first, second = (ids(A, [1]), [8, 9]), (ids(B, [2]), [9])
    for third in ([(ids(B[:2], [5]), [6, 7, 8])], []):
        requests = [first, second, *third, (ids(A, [3]), [9])]
        curve = curve_of(requests, 2)
        for pool in range(curve.least_blocks, 14):
            assert curve.hit_tokens(pool) == sum(hits_one_by_one(requests, pool, 2)), (third, pool)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(6))
def test_every_size_equals_a_plain_pool_of_that_size(seed: int, size: int) -> None:
    requests = chats(seed, size)
    curve = curve_of(requests, size)
    assert curve.repeated_blocks == 0
    sizes = np.arange(curve.least_blocks, curve.pool_blocks[-1] + 3)
    wanted = [sum(hits_one_by_one(requests, pool, size)) for pool in sizes]
    np.testing.assert_array_equal(curve.hit_tokens(sizes), wanted)
    assert 0 < wanted[0] < wanted[-1] == curve.most_hit_tokens
    assert curve.prompt_tokens == sum(len(prompt) for prompt, _ in requests)


def shared_trace(seed: int) -> Trace:
    """Requests with nested and branching prefixes, and one token of their own at the end of each prompt."""
    rng = np.random.default_rng(seed)
    texts = rng.integers(0, 2, (4, 40))
    texts[1, :12] = texts[0, :12]
    prompts = [ids(texts[rng.integers(0, 4)][: rng.integers(0, 40)], [7 + number]) for number in range(40)]
    return Trace.of([len(prompt) for prompt in prompts], rng.integers(1, 12, 40)).with_texts(
        list(map(text_key, prompts))
    )


def replayed_hits(trace: Trace, pool: int, size: int, max_running: int) -> int:
    settings = Settings("paged", int(pool) * size, block_size=size, max_running=max_running, prefix_sharing=True)
    return replay(trace, settings).totals.prefix_hit_tokens


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_the_replay_of_requests_one_by_one(seed: int, size: int) -> None:
    trace = shared_trace(seed)
    curve = hit_curve(blocks_of(trace, size), trace.prompt_tokens, trace.output_tokens)
    sizes = [*range(curve.least_blocks, curve.least_blocks + 40, 3), curve.pool_blocks[-1], 10_000]
    wanted = [replayed_hits(trace, pool, size, max_running=1) for pool in sizes]
    np.testing.assert_array_equal(curve.hit_tokens(sizes), wanted)


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_prefixes_known_by_blocks_of_eight_give_smaller_and_larger_blocks(size: int) -> None:
    """As in a trace with hashes, where prompts have whole blocks of the hashes in common."""
    trace = shared_trace(5)
    hashed = replace(trace, common_tokens=trace.common_tokens // 8 * 8)
    curve = hit_curve(blocks_of(hashed, size), hashed.prompt_tokens, hashed.output_tokens)
    sizes = [*range(curve.least_blocks, curve.least_blocks + 30, 4), 10_000]
    wanted = [replayed_hits(hashed, pool, size, max_running=1) for pool in sizes]
    np.testing.assert_array_equal(curve.hit_tokens(sizes), wanted)
    whole = hit_curve(blocks_of(hashed, 8), hashed.prompt_tokens, hashed.output_tokens).most_hit_tokens
    assert curve.most_hit_tokens == whole if size < 8 else curve.most_hit_tokens <= whole
    assert 0 < whole < hit_curve(blocks_of(trace, 2), trace.prompt_tokens, trace.output_tokens).most_hit_tokens


LESS = Trace.of([10] * 4, [1, 5, 7, 2], None, [1, 2, 0, 1], [8] * 4)
MORE = Trace.of([9, *[11] * 8, 9], [30, *[1] * 8, 1], None, [0, *[-1] * 8, 0], [8, *[0] * 8, 8])


@pytest.mark.parametrize(("trace", "pool", "alone", "together"), [(LESS, 8, 4, 0), (MORE, 16, 0, 8)])
def test_many_requests_at_once_find_less_or_more(trace: Trace, pool: int, alone: int, together: int) -> None:
    """Blocks of a running request cannot be evicted: others are, or a later request finds them before it has ended."""
    curve = hit_curve(blocks_of(trace, 4), trace.prompt_tokens, trace.output_tokens)
    assert curve.repeated_blocks == 0
    assert curve.hit_tokens(pool) == alone == replayed_hits(trace, pool, 4, max_running=1)
    settings = Settings("paged", pool * 4, block_size=4, max_running=2, prefix_sharing=True)
    found = replay(trace, settings)
    assert (found.totals.prefix_hit_tokens, found.totals.preemptions) == (together, 0)


def test_a_prompt_that_is_found_whole_is_counted_and_vllm_holds_its_last_block_twice() -> None:
    requests = [(ids(B, [1]), [9]), (ids(A), [9]), (ids(A), [9]), (ids(B, [2]), [9])]
    curve = curve_of(requests, 2)
    assert curve.repeated_blocks == 1
    sizes = [3, 4, 5, 6]
    assert curve.hit_tokens(sizes).tolist() == [4, 6, 6, 6]
    assert [sum(hits_one_by_one(requests, pool, 2)) for pool in sizes] == [2, 4, 6, 6]


def test_where_vllm_holds_blocks_twice_the_curve_is_not_below_it() -> None:
    differ = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        prompts = [ids(A, B, C)[: rng.integers(1, 13)] for _ in range(30)]
        trace = Trace.of([len(prompt) for prompt in prompts], rng.integers(1, 9, 30))
        trace = trace.with_texts(list(map(text_key, prompts)))
        curve = hit_curve(blocks_of(trace, 2), trace.prompt_tokens, trace.output_tokens)
        assert curve.repeated_blocks > 0
        for pool in range(curve.least_blocks, curve.least_blocks + 12):
            wanted = replayed_hits(trace, pool, 2, max_running=1)
            assert curve.hit_tokens(pool) >= wanted
            differ += curve.hit_tokens(pool) > wanted
    assert differ > 0


def test_text_that_is_generated_again_is_counted() -> None:
    again = (ids(A, [1]), [5, 6, 7])
    assert curve_of([again, again], 2).repeated_blocks == 1
    assert curve_of([again, (ids(A, [1]), [6, 6, 7])], 2).repeated_blocks == 0


def test_output_takes_up_room_whether_it_is_found_or_not() -> None:
    """A's output fills four blocks. Named, they are found by the prompt that repeats them, and else by none.

    Since A, the second request has used two blocks and a tail, so that A's six need pools of 4 to 9.
    """
    requests = [(ids(A, [1]), ids(C, C)), (ids(B, [2]), [9]), (ids(A, [1], C, C), [9])]
    known, prompts = curve_of(requests, 2), [prompt for prompt, _ in requests]
    own = hit_curve(blocks_of_tokens(prompts, 2), list(map(len, prompts)), [len(output) for _, output in requests])
    assert (known.most_hit_tokens, own.most_hit_tokens) == (12, 4)
    assert (known.pool_blocks.tolist(), own.pool_blocks.tolist()) == ([4, 5, 6, 7, 8, 9], [4, 5])
    assert own.least_blocks == known.least_blocks == 7
    x_again = [(ids(B, [3]), [9]), *requests[:1], (ids(B, [4]), [9])]
    assert curve_of(x_again, 2).pool_blocks.tolist() == [7, 8]


@pytest.mark.parametrize("change", ["a block less", "another order", "the other end first"])
def test_the_comparison_fails_where_the_pool_or_the_order_differs(change: str) -> None:
    requests = chats(0, 2)
    curve = curve_of(requests, 2)
    sizes = curve.pool_blocks[curve.pool_blocks > curve.least_blocks]
    wanted = [sum(hits_one_by_one(requests, int(pool), 2)) for pool in sizes]
    if change == "a block less":
        found = [sum(hits_one_by_one(requests, int(pool) - 1, 2)) for pool in sizes]
    elif change == "another order":
        found = [sum(hits_one_by_one(requests[::-1], int(pool), 2)) for pool in sizes]
    else:
        texts = [ids(prompt, output)[:-1] for prompt, output in requests]
        blocks = blocks_of_tokens(texts, 2)
        turned = np.concatenate([part[::-1] for part in np.split(blocks.ids, blocks.offsets[1:-1])])
        lengths = zip(*((len(prompt), len(output)) for prompt, output in requests), strict=True)
        found = hit_curve(BlockIds(turned, blocks.offsets, 2), *lengths).hit_tokens(sizes).tolist()
    assert found != wanted
    assert curve.hit_tokens(sizes).tolist() == wanted


def test_bad_input_is_refused_by_name() -> None:
    curve = curve_of([(ids(A, [1]), [9])], 2)
    with refused() as error:
        curve.hit_tokens([3, 2])
    assert "a pool of 2 blocks of 2 cannot hold the longest request, which needs 3; raise it" in str(error.value)
    none = BlockIds(np.zeros(0, np.int64), np.zeros(1, np.int64), 2)
    with refused() as error:
        hit_curve(none, [], [])
    assert "blocks of 0 requests and lengths of 0" in str(error.value)
    with refused() as error:
        hit_curve(blocks_of_tokens([ids(A, B)], 2), [5], [1])
    assert "request 0 names 4 blocks but fills 2; give its own lengths" in str(error.value)


def test_nothing_in_common_is_a_curve_of_zeros() -> None:
    curve = curve_of([(ids(A), [9]), (ids(B), [9])], 2)
    assert curve.hit_tokens([2, 100]).tolist() == [0, 0]
    assert curve.most_hit_tokens == 0
