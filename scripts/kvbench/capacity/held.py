"""What a request holds where layers keep different tokens: rows of a static cache, and vLLM's blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kvbench.capacity.group_bytes import group_bytes
from kvbench.capacity.memory import Room
from kvbench.kv.groups import Paging
from kvbench.kv.split import blocks_for, left_window
from kvbench.replay import Trace

Tokens = NDArray[np.int64]


def row_bytes(room: Room, tokens: int) -> int:
    """Bytes of a reservation of `tokens` tokens, in which layers with a window have room for that alone."""
    return sum(group_bytes(room.shape.groups, room.kv_itemsize, tokens))


def blocks_of_length(paging: Paging, block_size: int, longest: int) -> tuple[Tokens, Tokens]:
    """Blocks of a request of 0 to `longest` tokens in all tables, each of shape (longest + 1,).

    The first is of a request whose tokens have all been computed in this step, the second of one that decodes: the
    blocks whose tokens had left the window before the step are returned.
    """
    tokens = np.arange(longest + 1)
    whole = np.zeros_like(tokens)
    decoding = np.zeros_like(tokens)
    for table in paging.groups:
        whole += blocks_for(tokens, block_size)
        decoding += blocks_for(tokens, block_size) - left_window(np.maximum(tokens - 1, 0), block_size, table)
    return whole, decoding


def paged_blocks(trace: Trace, paging: Paging, block_size: int) -> tuple[float, float]:
    """Blocks of a request at its largest, mean over requests, and blocks held, mean over all steps.

    The prompt is computed in one step, and a request of o output tokens runs o steps.
    """
    whole, decoding = blocks_of_length(paging, block_size, int(trace.final_tokens.max()))
    up_to = np.concatenate([[0], np.cumsum(decoding)])
    first, last = trace.prompt_tokens, trace.final_tokens
    held = whole[first] + up_to[last + 1] - up_to[first + 1]
    most = [max(whole[p], decoding[p + 1 : f + 1].max(initial=0)) for p, f in zip(first, last, strict=True)]
    return float(np.mean(most)), float(held.sum() / trace.output_tokens.sum())


def reserved_bytes(room: Room, tokens: Sequence[int] | Tokens) -> Tokens:
    """`row_bytes` of each of several reservations, of shape (requests,)."""
    sizes = np.zeros(len(tokens), np.int64)
    for group in room.shape.groups:
        kept = tokens if group.window is None else np.minimum(tokens, group.window)
        sizes += group.token_elements * room.kv_itemsize * np.asarray(kept, np.int64)
    return sizes
