"""The loops behind hit rates, compiled: numbers of blocks, and how large a pool must be to find each of them again.

A tree of partial sums (Fenwick 1994) over the times of last use counts in O(log n) the blocks that were used since.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

COLD = -1
NEVER = np.iinfo(np.int64).max


@njit(cache=True)
def numbered(offsets: NDArray[np.int64], order: NDArray[np.int64], shared: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each different block, shape (n,): text r has `[offsets[r] : offsets[r + 1]]` of them.

    In `order`, shape (R,), a text begins with the first `shared` blocks of the one before it, and its others are new.
    """
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


@njit(cache=True)
def stack_distances(
    ids: NDArray[np.int64],
    offsets: NDArray[np.int64],
    findable: NDArray[np.int64],
    own: NDArray[np.int64],
    has_tail: NDArray[np.bool_],
    count: int,
) -> tuple[NDArray[np.int64], int]:
    """(Blocks of the smallest pool in which a reference is a hit, shape (n,); references that compute a block again).

    Request r first looks up the `findable[r]` first of its blocks `ids[offsets[r] : offsets[r + 1]]` (identities below
    `count`). Then it uses all of them, the last first, after `own[r]` blocks that no other request has, and if
    `has_tail[r]` it holds one more that is not full. A reference that is not looked up or not found is COLD.
    """
    needed = np.full(ids.size, COLD, np.int64)
    last = np.full(count, COLD, np.int64)
    tree = np.zeros(ids.size + offsets.size, np.int64)  # blocks by the time of their last use
    now = cached = repeated = 0
    oldest = NEVER  # of the times at which what was used since the last tail had been used before
    for request in range(offsets.size - 1):
        begin, end = offsets[request], offsets[request + 1]
        middle = begin + findable[request]
        _look_up(needed, ids, last, tree, begin, middle, cached, oldest)
        for at in range(middle, end):
            repeated += last[ids[at]] != COLD
        if own[request]:
            _add(tree, now, own[request])
            oldest = COLD
        now, cached = now + 1, cached + own[request]
        for at in range(end - 1, begin - 1, -1):
            used = last[ids[at]]
            oldest = min(oldest, used)
            cached += used == COLD
            _move(tree, used, now)
            last[ids[at]] = now
            now += 1
        if has_tail[request]:
            oldest = NEVER
    return needed, repeated


@njit(cache=True)
def _look_up(needed, ids, last, tree, begin, end, cached, oldest):
    """Fill `needed` from `begin` to the first block that was never used: what was used since its last use, and itself.

    If a tail was held since and nothing older was used after it, there was room for the tail as well.
    """
    for at in range(begin, end):
        used = last[ids[at]]
        if used == COLD:
            return
        needed[at] = cached - _sum_before(tree, used)
        if oldest > used:
            needed[at] += 1


@njit(cache=True)
def _move(tree, used, now):
    if used != COLD:
        _add(tree, used, -1)
    _add(tree, now, 1)


@njit(cache=True)
def _add(tree, at, amount):
    at += 1
    while at <= tree.size:
        tree[at - 1] += amount
        at += at & -at


@njit(cache=True)
def _sum_before(tree, at):
    """The sum of what was added at times before `at`."""
    total = 0
    while at > 0:
        total += tree[at - 1]
        at -= at & -at
    return total
