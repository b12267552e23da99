"""The free space of a pool, for both allocators."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels import buddy
from kvbench.replay.kernels.compiled import inner, outer

# Index of the number of holes in the kernel's State.at, after the kernel's own: a separate array takes 5% more time.
HOLES = 10


class FreeSpace(NamedTuple):
    """The free space of a pool of P slots. Best fit: holes by address. Buddy: a free list for each power of two."""

    hole_start: NDArray[np.int64]  # (M + 2,)
    hole_size: NDArray[np.int64]  # (M + 2,)
    head: NDArray[np.int64]  # (levels,) most recently freed chunk of 2^level slots, or -1
    level: NDArray[np.int8]  # (P,) level of the free chunk that begins here, or -1
    after: NDArray[np.int32]  # (P,)
    before: NDArray[np.int32]  # (P,)


@inner
def of_replica(space, replica):
    """The free space of one of several replicas: each array has a row for each."""
    return FreeSpace(
        space.hole_start[replica],
        space.hole_size[replica],
        space.head[replica],
        space.level[replica],
        space.after[replica],
        space.before[replica],
    )


@outer
def open_pool(at, space, pool, is_buddy):
    """Make the whole pool free; a buddy pool is divided into the powers of two of its size, the largest first."""
    if not is_buddy:
        space.hole_start[0], space.hole_size[0], at[HOLES] = 0, pool, 1
        return
    address = 0
    for level in range(space.head.size - 1, -1, -1):
        if pool - address >= 1 << level:
            buddy.push(space, address, level)
            address += 1 << level
