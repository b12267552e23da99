"""KV cache groups that share one pool: how many blocks the sliding-window groups have given back.

Follows `SlidingWindowManager` of vLLM 0.32. Every group takes a block for the same tokens. A group with window w gives
back the blocks whose tokens all lie before the window of the next token: with n tokens stored, the first n - w + 1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.blocks import ceil
from kvbench.replay.kernels.compiled import inner


class Groups(NamedTuple):
    """G groups of layers. In place of it, None stands for one group of full attention."""

    windows: NDArray[np.int64]  # (G,) in tokens; 0: full attention
    most: NDArray[np.int64]  # (G,) blocks that admission counts at most for a request
    computed: NDArray[np.int64]  # (R,) tokens that were stored when the request last gave blocks back
    seen: NDArray[np.int64]  # (R,) tokens that are stored for certain, with asynchronous scheduling
    counted: NDArray[np.int64]  # (R,) tokens of which the last may still be computed, likewise


@inner
def number(groups):
    """Number of groups."""
    return 1 if groups is None else groups.windows.size


@inner
def behind(window, stored):
    """Tokens of `stored` that no later one attends to."""
    return max(0, stored - window + 1) if window else 0


@inner
def given_back(groups, size, stored):
    """Blocks that lie behind the windows, over all groups."""
    blocks = 0
    for window in groups.windows:
        blocks += behind(window, stored) // size
    return blocks


@inner
def slide(groups, size, request, stored):
    """Give back what now lies behind the windows of a running request; the number of blocks."""
    if groups is None:
        return 0
    before = groups.computed[request]
    groups.computed[request] = stored
    return given_back(groups, size, stored) - given_back(groups, size, before)


@inner
def given_back_by(groups, size, request):
    """Blocks that a request has given back while it ran."""
    return 0 if groups is None else given_back(groups, size, groups.computed[request])


@inner
def seen(groups, request):
    """Tokens of a request that are stored for certain."""
    return np.int64(0) if groups is None else groups.seen[request]


@inner
def end(groups, request):
    """Start a request that gives back all its blocks anew."""
    if groups is not None:
        groups.computed[request] = 0
        groups.seen[request] = 0
        groups.counted[request] = 0


@inner
def see(groups, request, stored):
    """An engine that schedules ahead has seen what was stored when this was last called; now that is `stored`."""
    if groups is not None:
        groups.seen[request] = groups.counted[request]
        groups.counted[request] = stored


@inner
def to_admit(groups, size, tokens):
    """Blocks that admission counts for a request of `tokens` tokens."""
    if groups is None:
        return ceil(tokens, size)
    blocks = 0
    for most in groups.most:
        blocks += min(ceil(tokens, size), most)
    return blocks


@inner
def expired(groups, size, request, stored):
    """Slots of a request, over all groups, in blocks still held, whose tokens no later one attends to."""
    if groups is None:
        return 0
    slots = 0
    for window in groups.windows:
        slots += behind(window, stored) - behind(window, groups.computed[request]) // size * size
    return slots
