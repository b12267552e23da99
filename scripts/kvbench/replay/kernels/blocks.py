"""Block identities for prefix sharing: which blocks are free, in what order they are taken, and what text they hold."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.compiled import inner


class Blocks(NamedTuple):
    """Identities of B blocks. Index B of the free list is the sentinel at both ends."""

    after: NDArray[np.int32]  # (B + 1,) free list, in the order in which blocks are taken
    before: NDArray[np.int32]  # (B + 1,)
    references: NDArray[np.int32]  # (B,)
    owner: NDArray[np.int64]  # (B,) number of a shared text, or R + request for a request's own text; -1: not cached
    place: NDArray[np.int64]  # (B,) position of the block in its owner's text
    chain: NDArray[np.int32]  # (B,) next block in the same bucket, oldest first
    bucket: NDArray[np.int32]  # (power of two,)
    table: NDArray[np.int32]  # (M, longest request) block ids
    row: NDArray[np.int32]  # (R,) row of a running request in the table
    rows: NDArray[np.int32]  # (M + 1,) unused rows of the table; the last element is their number


@inner
def of_replica(blocks, replica):
    """The blocks of one of several replicas: all but `row` has a row for each."""
    if blocks is None:
        return None
    return Blocks(
        blocks.after[replica],
        blocks.before[replica],
        blocks.references[replica],
        blocks.owner[replica],
        blocks.place[replica],
        blocks.chain[replica],
        blocks.bucket[replica],
        blocks.table[replica],
        blocks.row,
        blocks.rows[replica],
    )


@inner
def ceil(tokens, size):
    return (tokens + size - 1) // size


@inner
def cached(requests, blocks, size, request, known):
    """(Number of cached blocks at the beginning of a request, how many of them are unreferenced). The last token is
    always recomputed, so its block never counts."""
    found = unused = 0
    while (found + 1) * size < known:
        block = _find(blocks, _owner(requests, request, found), found)
        if block < 0:
            break
        found += 1
        unused += blocks.references[block] == 0
    return found, unused


@inner
def adopt(requests, blocks, request, hits):
    """Give an admitted request a row of the block table and the `hits` cached blocks with which it begins."""
    last = blocks.rows.size - 1
    blocks.rows[last] -= 1
    row = blocks.rows[blocks.rows[last]]
    blocks.row[request] = row
    for place in range(hits):
        block = _find(blocks, _owner(requests, request, place), place)
        if blocks.references[block] == 0:
            _unlink(blocks, block)
        blocks.references[block] += 1
        blocks.table[row, place] = block


@inner
def take(requests, blocks, size, request, stored, tokens):
    """Take blocks from the front of the free list for tokens `stored` to `tokens`; cache those that are now full."""
    row, ends = blocks.row[request], blocks.references.size
    for place in range(ceil(stored, size), ceil(tokens, size)):
        block = blocks.after[ends]
        _unlink(blocks, block)
        _forget(blocks, block)
        blocks.references[block] = 1
        blocks.table[row, place] = block
    for place in range(stored // size, tokens // size):
        _remember(blocks, blocks.table[row, place], _owner(requests, request, place), place)


@inner
def give_back(blocks, size, request, stored):
    """Release a request's blocks, last first: cached ones go to the end of the free list, others to its front.

    Returns the number of blocks that are no longer referenced.
    """
    ends, row, last, freed = blocks.references.size, blocks.row[request], blocks.rows.size - 1, 0
    for place in range(ceil(stored, size) - 1, -1, -1):
        block = blocks.table[row, place]
        blocks.references[block] -= 1
        if blocks.references[block] == 0:
            freed += 1
            _link_after(blocks, ends if blocks.owner[block] < 0 else blocks.before[ends], block)
    blocks.rows[blocks.rows[last]] = row
    blocks.rows[last] += 1
    return freed


@inner
def _owner(requests, request, place):
    """The owner of the text up to the end of a request's full block `place`: a shared text, or the request itself."""
    if place < requests.texts.shape[1] and requests.texts[request, place] >= 0:
        return np.int64(requests.texts[request, place])
    return np.int64(requests.prompt.size + request)


@inner
def _find(blocks, owner, place):
    """The oldest cached block with this text; -1 if there is none."""
    block = blocks.bucket[_bucket(blocks, owner, place)]
    while block >= 0 and (blocks.owner[block] != owner or blocks.place[block] != place):
        block = blocks.chain[block]
    return block


@inner
def _remember(blocks, block, owner, place):
    at = _bucket(blocks, owner, place)
    blocks.owner[block], blocks.place[block], blocks.chain[block] = owner, place, -1
    if blocks.bucket[at] < 0:
        blocks.bucket[at] = block
        return
    last = blocks.bucket[at]
    while blocks.chain[last] >= 0:
        last = blocks.chain[last]
    blocks.chain[last] = block


@inner
def _forget(blocks, block):
    if blocks.owner[block] < 0:
        return
    at = _bucket(blocks, blocks.owner[block], blocks.place[block])
    if blocks.bucket[at] == block:
        blocks.bucket[at] = blocks.chain[block]
    else:
        last = blocks.bucket[at]
        while blocks.chain[last] != block:
            last = blocks.chain[last]
        blocks.chain[last] = blocks.chain[block]
    blocks.owner[block] = -1


@inner
def _bucket(blocks, owner, place):
    mixed = owner * 2654435761 + place * 2246822519
    return (mixed ^ (mixed >> 17)) & (blocks.bucket.size - 1)


@inner
def _unlink(blocks, block):
    left, right = blocks.before[block], blocks.after[block]
    blocks.after[left], blocks.before[right] = right, left


@inner
def _link_after(blocks, left, block):
    right = blocks.after[left]
    blocks.after[left] = blocks.before[right] = block
    blocks.before[block], blocks.after[block] = left, right
