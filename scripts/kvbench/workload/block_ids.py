"""Identities of the full blocks of prompts: what a prefix cache can find again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BlockIds:
    """Identities of the full blocks of R prompts, in order of request and place.

    They are chained: two blocks have the same identity only if all text up to their ends is equal. Request r has
    `ids[offsets[r] : offsets[r + 1]]`; a last block that is not full has no identity.
    """

    ids: NDArray[np.int64]  # (total,)
    offsets: NDArray[np.int64]  # (R + 1,)
    block_tokens: int


def chained(hashes: NDArray[np.int64], counts: NDArray[np.int64], block_tokens: int) -> BlockIds:
    """Identities from `hashes` of the full blocks of all prompts, shape (total,); each prompt has `counts`, shape (R,).

    A block is the same only if its hash and the identity of the block before it are, whether or not whoever wrote the
    hashes had put the text before a block into them. Identities are numbered from 0 by place in the prompt.
    """
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ids = np.empty(len(hashes), np.int64)
    known, before = 0, np.full(len(counts), -1, np.int64)
    there = np.flatnonzero(counts > 0)
    for place in range(int(counts.max(initial=0))):
        there = there[counts[there] > place]
        at = offsets[there] + place
        order = np.lexsort((hashes[at], before[there]))
        sorted_pairs = before[there][order], hashes[at][order]
        new = np.concatenate([[True], np.logical_or(*(np.diff(values) != 0 for values in sorted_pairs))])
        ids[at[order]] = known + np.cumsum(new) - 1
        known += int(new.sum())
        before[there] = ids[at]
    return BlockIds(ids, offsets, block_tokens)
