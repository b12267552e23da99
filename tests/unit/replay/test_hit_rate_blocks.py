"""Blocks have the same identity only if all text up to their ends is equal, for any block size."""

from __future__ import annotations

import numpy as np
import pytest

from kvbench.replay import Trace
from kvbench.replay.hit_rate_blocks import blocks_of, blocks_of_tokens
from kvbench.replay.texts import text_key


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_two_blocks_have_one_identity_if_all_text_up_to_their_ends_is_equal(size: int) -> None:
    rng = np.random.default_rng(3)
    prompts = [rng.integers(0, 2, rng.integers(1, 20), np.int32) for _ in range(60)]
    blocks = blocks_of_tokens(prompts, size)
    texts = [tuple(prompt[:end]) for prompt in prompts for end in range(size, len(prompt) + 1, size)]
    assert len(texts) == len(blocks.ids) == blocks.offsets[-1]
    assert np.diff(blocks.offsets).tolist() == [len(prompt) // size for prompt in prompts]
    pairs = set(zip(texts, blocks.ids.tolist(), strict=True))
    assert len(pairs) == len(set(texts)) == len(set(blocks.ids.tolist())) < len(texts)
    trace = Trace.of([len(prompt) for prompt in prompts], [1] * 60).with_texts(list(map(text_key, prompts)))
    np.testing.assert_array_equal(blocks_of(trace, size).ids, blocks.ids)


def test_a_prefix_put_before_every_prompt_is_in_all_blocks() -> None:
    trace = Trace.of([9, 7, 8], [1, 1, 1], None, [0, 0, 0], [5, 5, 5])
    blocks = blocks_of(trace, 2)
    chains = np.split(blocks.ids, blocks.offsets[1:-1])
    assert [list(chain[:2]) for chain in chains] == [list(chains[0][:2])] * 3
    assert len(set(blocks.ids.tolist())) == 2 + 2 + 1 + 2
