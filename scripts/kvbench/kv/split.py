"""The split of allocated KV slots: live, reserved, internal, padding, finished, expired, page padding.

Exact in integers: `allocated` is the sum of the parts. All functions are element-wise over NumPy integer arrays (or
plain integers) in slots of one group of layers; see docs/kv.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.kv.groups import WHOLE, PagedGroup

Slots = NDArray[np.int64]


class Split(NamedTuple):
    """Slots by what they hold; arrays of one shape."""

    live: Slots
    reserved: Slots
    internal: Slots
    padding: Slots
    finished: Slots
    expired: Slots  # tokens to which no later token of the request will attend
    page_padding: Slots  # the part of a page that no layer of its group uses

    @property
    def allocated(self) -> Slots:
        """The sum of the parts."""
        return sum(self[1:], start=self[0])

    def sum(self, axis: int | None = None) -> Split:
        """Each part summed over an axis."""
        return Split(*(np.sum(part, axis=axis) for part in self))

    def times(self, units: int) -> Split:
        """Each part, of a group of layers in which a token takes `units` slots."""
        return self if units == 1 else Split(*(part * units for part in self))

    def plus(self, other: Split) -> Split:
        """Each part of both."""
        return Split(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def final_kv_length(prompt_tokens: ArrayLike, output_tokens: ArrayLike) -> Slots:
    """F = p + o - 1: the last generated token is never stored."""
    return np.asarray(prompt_tokens, np.int64) + np.asarray(output_tokens, np.int64) - 1


def attended(stored: ArrayLike, window: int | None) -> Slots:
    """Of `stored` tokens, those to which a later one attends: the last `window` - 1, beside itself."""
    stored = np.asarray(stored, np.int64)
    return stored if window is None else np.minimum(stored, window - 1)


def split_rows(
    width: ArrayLike,
    padding: ArrayLike,
    stored: ArrayLike,
    final: ArrayLike,
    ended: ArrayLike,
    window: int | None = None,
) -> Split:
    """Split rows of a contiguous cache: `width` slots, `padding` of them before the tokens of a request.

    `stored` counts the request's tokens so far, which will reach `final`. With a `window`, a row holds the last of
    what it was given: once that is more than its width, padding and tokens have left it, in this order. A row whose
    request has ended is finished as a whole.
    """
    width, padding, stored, final = (np.asarray(a, np.int64) for a in (width, padding, stored, final))
    running = ~np.asarray(ended, bool)
    left = np.maximum(padding + stored - width, 0) if window is not None else np.zeros_like(stored)
    before = np.maximum(padding - left, 0)
    kept = stored - np.maximum(left - padding, 0)
    live = np.minimum(kept, attended(stored, window))
    free = width - before - kept
    reserved = np.minimum(final - stored, free)
    return Split(
        live=np.where(running, live, 0),
        reserved=np.where(running, reserved, 0),
        internal=np.where(running, free - reserved, 0),
        padding=np.where(running, before, 0),
        finished=np.where(running, 0, width),
        expired=np.where(running, kept - live, 0),
        page_padding=np.where(running, 0, 0 * width),
    )


def split_paged(
    stored: ArrayLike,
    final: ArrayLike,
    ended: ArrayLike,
    block_size: int,
    group: PagedGroup = WHOLE,
    given_back: ArrayLike = 0,
) -> Split:
    """Split requests that each hold blocks of their own in a group of layers: ceil(stored / block_size) of them.

    Args:
        given_back: whole blocks of each request that it has returned, because their tokens have left the window.
    """
    stored, final = np.asarray(stored, np.int64), np.asarray(final, np.int64)
    running = ~np.asarray(ended, bool)
    held = blocks_held(stored, block_size, group, given_back) * block_size
    kept = kept_tokens(stored, block_size, group, given_back)
    live = np.minimum(kept, attended(stored, group.window))
    tail = held - kept
    to_come = np.minimum(final, group.window) - kept if group.ring else final - stored
    reserved = np.minimum(tail, to_come)
    return Split(
        live=np.where(running, live, 0),
        reserved=np.where(running, reserved, 0),
        internal=np.where(running, tail - reserved, 0),
        padding=np.zeros_like(stored),
        finished=np.where(running, 0, held),
        expired=np.where(running, kept - live, 0),
        page_padding=np.zeros_like(stored),
    )


def blocks_held(stored: ArrayLike, block_size: int, group: PagedGroup = WHOLE, given_back: ArrayLike = 0) -> Slots:
    """Blocks of a group that a request with `stored` tokens holds; in a ring, never more than the window needs."""
    stored = np.asarray(stored, np.int64)
    if group.ring:
        return blocks_for(np.minimum(stored, group.window), block_size)
    return blocks_for(stored, block_size) - np.asarray(given_back, np.int64)


def kept_tokens(stored: ArrayLike, block_size: int, group: PagedGroup = WHOLE, given_back: ArrayLike = 0) -> Slots:
    """Tokens in those blocks."""
    stored = np.asarray(stored, np.int64)
    if group.ring:
        return np.minimum(stored, group.window)
    return stored - np.asarray(given_back, np.int64) * block_size


def left_window(stored: ArrayLike, block_size: int, group: PagedGroup) -> Slots:
    """Whole blocks at the beginning whose tokens the next token, after `stored` ones, does not attend to any more."""
    stored = np.asarray(stored, np.int64)
    if group.window is None or group.ring:
        return np.zeros_like(stored)
    return np.maximum(stored - group.window + 1, 0) // block_size


def blocks_for(tokens: ArrayLike, block_size: int) -> Slots:
    """ceil(tokens / block_size)."""
    return -(-np.asarray(tokens, np.int64) // block_size)
