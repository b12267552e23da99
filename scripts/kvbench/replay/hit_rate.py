"""The share of prompt tokens that a prefix cache finds again, for every size of the pool in one pass.

A cache that evicts the least recently used block has the stack property (Mattson et al. 1970): a larger pool holds all
that a smaller one does. So each block of a prompt has one number, the smallest pool in which it is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.errors import UserError
from kvbench.workload.block_ids import BlockIds


@dataclass(frozen=True)
class HitCurve:
    """Prompt tokens found again against the size of the pool in blocks.

    `hit_tokens(n)` is what vLLM counts with n usable blocks (`num_gpu_blocks` − 1, without its null block), exactly, if

    - requests are served one at a time in the order given: `max_num_seqs=1`, or each is submitted when the last has
      ended. With several at once, prompts are looked up before the blocks of running requests are given back, and these
      cannot be evicted (docs/replay.md);
    - the cache is empty at the beginning and the model has one KV cache group, of full attention;
    - the pool holds the longest request, so n is at least `least_blocks`;
    - `repeated_blocks` is 0: no request computes a full block that the cache holds. vLLM does so where a prompt ends
      with such a block, because the last token is always computed, and where the same text is generated again. It then
      holds both, where this curve holds one.
    """

    block_tokens: int
    requests: int
    prompt_tokens: int
    least_blocks: int  # of the longest request, its output included
    repeated_blocks: int
    pool_blocks: NDArray[np.int64]  # (K,) sizes at which more is found than in a smaller pool, ascending
    found_tokens: NDArray[np.int64]  # (K,) prompt tokens found in a pool of that size

    def hit_tokens(self, pool_blocks: ArrayLike) -> NDArray[np.int64]:
        """Prompt tokens found again in pools of so many blocks, in the shape given.

        UserError for a pool that does not hold the longest request: no engine serves the trace with it.
        """
        sizes = np.asarray(pool_blocks)
        if (sizes < self.least_blocks).any():
            raise UserError(
                f"hit rate: a pool of {sizes.min()} blocks of {self.block_tokens} cannot hold the longest request, "
                f"which needs {self.least_blocks}; raise it"
            )
        before = np.searchsorted(self.pool_blocks, sizes, side="right")
        return np.concatenate([[0], self.found_tokens])[before]

    @property
    def most_hit_tokens(self) -> int:
        """Prompt tokens found again in an infinite pool."""
        return int(self.found_tokens[-1]) if self.found_tokens.size else 0


def hit_curve(blocks: BlockIds, prompt_tokens: ArrayLike, output_tokens: ArrayLike) -> HitCurve:
    """The curve of R requests in the order in which they are served, from their lengths in tokens, each of shape (R,).

    `blocks` names the first full blocks of each request: those of its prompt, or also generated ones, which later
    prompts then find. The others take up room, but no prompt has their text. A request fills p + o − 1 slots, and its
    full blocks stay in the cache when it has ended.

    As in vLLM, a prompt finds the longest run of cached blocks with which it begins, without its last token. The blocks
    of a request are used last to first, so that its end is evicted first. A last block that is not full takes up room
    while its request runs, and is the first to be reused.

    UserError if there is no request, or if one names more blocks than it fills.
    """
    from kvbench.replay.hit_rate_kernel import COLD, stack_distances

    prompt, output = np.asarray(prompt_tokens, np.int64), np.asarray(output_tokens, np.int64)
    size, named = blocks.block_tokens, np.diff(blocks.offsets)
    stored = prompt + output - 1
    _require_fitting(named, stored // size)
    numbers, ids = np.unique(blocks.ids, return_inverse=True)
    findable = np.minimum(named, (prompt - 1) // size)
    needed, repeated = stack_distances(
        ids.astype(np.int64), blocks.offsets, findable, stored // size - named, stored % size > 0, numbers.size
    )
    at, counts = np.unique(needed[needed != COLD], return_counts=True)
    least = int((-(-stored // size)).max())
    return HitCurve(size, prompt.size, int(prompt.sum()), least, repeated, at, np.cumsum(counts) * size)


def _require_fitting(named: NDArray[np.int64], full: NDArray[np.int64]) -> None:
    """UserError unless there are requests and each fills the blocks that it names."""
    if not named.size == full.size > 0:
        raise UserError(
            f"hit rate: blocks of {named.size} requests and lengths of {full.size}; give both of the same requests"
        )
    if (wrong := np.flatnonzero(named > full)).size:
        at = wrong[0]
        raise UserError(f"hit rate: request {at} names {named[at]} blocks but fills {full[at]}; give its own lengths")
