"""Names the blocks of prompts, exactly and for any block size, from the common prefixes of a trace or of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
    from kvbench.replay.hit_rate_kernel import numbered

    offsets = np.concatenate([[0], np.cumsum(tokens // block_tokens)])
    return BlockIds(numbered(offsets, order, common // block_tokens), offsets, block_tokens)
