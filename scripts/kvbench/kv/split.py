"""The split of allocated KV slots: live, reserved, internal, padding, finished.

Exact in integers: `allocated = live + reserved + internal + padding + finished`. All functions
are element-wise over NumPy integer arrays (or plain integers) in slots; see docs/kv.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Slots = NDArray[np.int64]


class Split(NamedTuple):
    """Slots by what they hold; arrays of one shape."""

    live: Slots
    reserved: Slots
    internal: Slots
    padding: Slots
    finished: Slots

    @property
    def allocated(self) -> Slots:
        """The sum of the parts."""
        return self.live + self.reserved + self.internal + self.padding + self.finished

    def sum(self, axis: int | None = None) -> Split:
        """Each part summed over an axis."""
        return Split(*(np.sum(part, axis=axis) for part in self))


def final_kv_length(prompt_tokens: ArrayLike, output_tokens: ArrayLike) -> Slots:
    """F = p + o - 1: the last generated token is never stored."""
    return np.asarray(prompt_tokens, np.int64) + np.asarray(output_tokens, np.int64) - 1


def split_rows(width: ArrayLike, padding: ArrayLike, stored: ArrayLike, final: ArrayLike, ended: ArrayLike) -> Split:
    """Split rows of a contiguous cache: `width` slots, `stored` tokens of a request that will reach `final`.

    A row whose request has ended is finished as a whole.
    """
    width, padding, stored, final = (np.asarray(a, np.int64) for a in (width, padding, stored, final))
    running = ~np.asarray(ended, bool)
    reserved = np.minimum(final, width - padding) - stored
    internal = width - padding - stored - reserved
    return Split(
        live=np.where(running, stored, 0),
        reserved=np.where(running, reserved, 0),
        internal=np.where(running, internal, 0),
        padding=np.where(running, padding, 0),
        finished=np.where(running, 0, width),
    )


def split_paged(stored: ArrayLike, final: ArrayLike, ended: ArrayLike, block_size: int) -> Split:
    """Split requests that each hold ceil(stored / block_size) blocks of their own."""
    stored, final = np.asarray(stored, np.int64), np.asarray(final, np.int64)
    running = ~np.asarray(ended, bool)
    held = blocks_for(stored, block_size) * block_size
    tail = held - stored
    reserved = np.minimum(tail, final - stored)
    return Split(
        live=np.where(running, stored, 0),
        reserved=np.where(running, reserved, 0),
        internal=np.where(running, tail - reserved, 0),
        padding=np.zeros_like(stored),
        finished=np.where(running, 0, held),
    )


def blocks_for(tokens: ArrayLike, block_size: int) -> Slots:
    """ceil(tokens / block_size)."""
    return -(-np.asarray(tokens, np.int64) // block_size)
