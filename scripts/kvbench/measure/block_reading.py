"""How often the untimed pass reads the block ids of all running requests: every step, unless they would be too many."""

from __future__ import annotations

from collections.abc import Iterable

from kvbench.kv.split import blocks_for
from kvbench.workload.read import Request

# Ids of one pass: 16 MB in the engine's process.
LIMIT = 4_000_000


def expected_ids(requests: Iterable[Request], block_size: int) -> int:
    """Block ids that a pass holds, summed over its steps: a request holds its blocks for a step per generated token.

    It begins with those of its prompt and ends with those of its final KV length, so that the mean is taken of both.
    Steps of chunked prefills and of preempted requests come on top.
    """
    return sum(
        r.output_tokens * int(blocks_for(r.prompt_tokens, block_size) + blocks_for(r.final_kv_tokens, block_size)) // 2
        for r in requests
    )


def block_stride(requests: Iterable[Request], block_size: int, limit: int = LIMIT) -> int:
    """Steps from one reading to the next, so that about `limit` ids are read at most."""
    return max(1, -(-expected_ids(requests, block_size) // limit))
