"""Names the blocks of prompts, exactly and for any block size, from the common prefixes of a trace or of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kvbench.replay.inputs import Trace
from kvbench.replay.texts import prompts_sorted, text_key
from kvbench.workload.block_ids import BlockIds


def blocks_of(trace: Trace, block_tokens: int) -> BlockIds:
    """The full blocks of a trace's prompts in blocks of so many tokens, in order of arrival."""
    return _named(trace.prompt_tokens, trace.text_order, trace.common_tokens, block_tokens)


def blocks_of_tokens(texts: Sequence[NDArray[np.int32]], block_tokens: int) -> BlockIds:
    """The full blocks of R texts, each an array of token ids: prompts, or prompts and what was generated for them."""
    order, common = prompts_sorted([text_key(ids) for ids in texts])
    return _named(np.array([len(ids) for ids in texts], np.int64), order, common, block_tokens)


def _named(
    tokens: NDArray[np.int64], order: NDArray[np.int64], common: NDArray[np.int64], block_tokens: int
) -> BlockIds:
    offsets = np.concatenate([[0], np.cumsum(tokens // block_tokens)])
    return BlockIds(_numbered(offsets, order, common // block_tokens), offsets, block_tokens)


@njit(cache=True)
def _numbered(offsets, order, shared):
    """In the order of texts, a text begins with the `shared` blocks of the one before it; its others are new."""
    ids = np.empty(offsets[-1], np.int64)
    count = former = 0
    for place in range(order.size):
        begin, end = offsets[order[place]], offsets[order[place] + 1]
        for at in range(end - begin):
            if at < shared[place]:
                ids[begin + at] = ids[former + at]
            else:
                ids[begin + at] = count
                count += 1
        former = begin
    return ids
