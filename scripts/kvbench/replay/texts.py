"""Finds common prefixes of requests, which is what prefix sharing can use, for any block size.

In the order of their texts, requests with a common prefix are neighbours, and the common prefix of any two requests is
the shortest of those between neighbours from one to the other. So one number per request is enough, even for prefixes
within prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from kvbench.workload.block_ids import BlockIds

TOKEN_BYTES = 4
Sorted = tuple[NDArray[np.int64], NDArray[np.int64]]


def unshared(count: int) -> Sorted:
    """`prompts_sorted` of prompts that have nothing in common."""
    return np.arange(count), np.zeros(count, np.int64)


def one_prefix(count: int, prefix_tokens: int) -> Sorted:
    """`prompts_sorted` of prompts that begin with the same `prefix_tokens` tokens and have nothing else in common."""
    order, common = unshared(count)
    if prefix_tokens:
        common[1:] = prefix_tokens
    return order, common


def groups_sorted(group: NDArray[np.int64], prefix_tokens: NDArray[np.int64]) -> Sorted:
    """`prompts_sorted` of requests that begin with `prefix_tokens` tokens of their group's text; -1 shares nothing."""
    order = np.lexsort((prefix_tokens, group))
    group, prefix = group[order], prefix_tokens[order]
    common = np.zeros(len(order), np.int64)
    common[1:] = np.where((group[1:] == group[:-1]) & (group[1:] >= 0), prefix[:-1], 0)
    return order, common


def text_key(token_ids: NDArray[np.int32]) -> bytes:
    """A prompt's token ids as bytes that sort like the ids: unsigned, most significant byte first."""
    return token_ids.astype(">u4").tobytes()


def keys_of(prompts: pa.ChunkedArray) -> list[bytes]:
    """`text_key` of each of R prompts, given as lists of token ids."""
    import pyarrow.compute as pc

    ends = np.cumsum(pc.list_value_length(prompts).to_numpy())
    tokens = pc.list_flatten(prompts).to_numpy()
    return [text_key(tokens[begin:end]) for begin, end in pairwise([0, *ends])]


def prompts_sorted(keys: Sequence[bytes], prefix_tokens: int = 0) -> Sorted:
    """The order of R prompts by their text, and the length of each one's common prefix with the previous prompt.

    Two arrays of shape (R,); the second is in sorted order and begins with 0. `keys` are the prompts' `text_key`; the
    same `prefix_tokens` tokens are put before every prompt.
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    common = [0, *(prefix_tokens + _common_tokens(keys[one], keys[other]) for one, other in pairwise(order))]
    return np.array(order, np.int64), np.array(common, np.int64)


def blocks_sorted(blocks: BlockIds, prefix_tokens: int = 0) -> Sorted:
    """`prompts_sorted` of prompts whose full blocks have identities; what follows these is not shared."""
    keys = [text_key(blocks.ids[begin:end]) for begin, end in pairwise(blocks.offsets)]
    order, common = prompts_sorted(keys)
    common *= blocks.block_tokens
    common[1:] += prefix_tokens
    return order, common


def block_texts(order: NDArray[np.int64], common: NDArray[np.int64], block_size: int) -> NDArray[np.int32]:
    """Number of the text up to the end of each full block, shape (R, most shared blocks of a request); -1: not shared.

    Two requests have the same number at a place if their first (place + 1) · `block_size` tokens are the same.
    """
    with_former = common // block_size
    with_any = np.maximum(with_former, np.append(with_former[1:], 0))
    texts = np.full((len(order), int(with_any.max())), -1, np.int32)
    at = np.arange(len(order))
    for place in range(texts.shape[1]):
        first = np.maximum.accumulate(np.where(with_former > place, 0, at))
        texts[order, place] = np.where(with_any > place, first, -1)
    return texts


def _common_tokens(one: bytes, other: bytes) -> int:
    length = min(len(one), len(other)) // TOKEN_BYTES
    differ = np.flatnonzero(np.frombuffer(one, ">u4", length) != np.frombuffer(other, ">u4", length))
    return int(differ[0]) if len(differ) else length
