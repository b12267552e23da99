"""What each group of layers holds at every step of a paged engine: the blocks of its requests, from tokens."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.groups import PagedGroup
from kvbench.kv.schedule import Schedule
from kvbench.kv.split import Slots, Split, attended, blocks_held, kept_tokens, left_window, split_paged


class Settled:
    """The tokens of each request that its scheduler had seen computed when it last gave it slots.

    Blocks are given back by them: a scheduler that runs ahead of its engine must not free what a step that is under way
    still reads.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.unsettled = schedule.unsettled
        self.seen = np.zeros(len(schedule.request_ids), np.int64)
        self.under_way: deque[Slots] = deque(maxlen=int(self.unsettled.max(initial=0)))
        self.needed = any(group.window is not None for group in schedule.paging.groups)

    def tokens(self, step: int, stored: Slots, new: Slots) -> Slots:
        """Of each request, shape (R,), once `step` has scheduled `new` tokens, `stored` with them."""
        if not self.needed:
            return stored
        behind = int(self.unsettled[step]) if len(self.unsettled) else 0
        in_flight = sum(list(self.under_way)[-behind:] if behind else [], start=np.zeros_like(new))
        self.seen = np.where(new > 0, np.maximum(stored - new - in_flight, 0), self.seen)
        self.seen[stored == 0] = 0
        self.under_way.append(new.copy())
        return self.seen


class GroupSteps:
    """Sums over the requests that hold blocks in one group, at each of S steps."""

    def __init__(self, schedule: Schedule, group: PagedGroup) -> None:
        steps = len(schedule.t_ns)
        self.group, self.size = group, schedule.block_size
        self.page = group.pages * schedule.paging.page_units
        self.parts = np.zeros((len(Split._fields), steps), np.int64)  # in tokens
        self.found_parts = np.zeros((2, steps), np.int64)  # expired tokens and blocks among prefix hits
        self.blocks, self.tails, self.ended_own = np.zeros((3, steps), np.int64)

    def add(
        self, step: int, stored: Slots, final: Slots, ended: NDArray[np.bool_], hits: Slots, settled: Slots
    ) -> None:
        """Count the requests that hold blocks in a step; arrays of shape (requests,)."""
        back = left_window(settled, self.size, self.group)
        split = split_paged(stored, final, ended, self.size, self.group, back)
        self.parts[:, step] = [part.sum() for part in split]
        blocks = blocks_held(stored, self.size, self.group, back)
        self.blocks[step] = blocks.sum() * self.group.pages
        empty = blocks * self.size - kept_tokens(stored, self.size, self.group, back)
        self.tails[step] = empty.sum() * self.group.pages
        found = np.maximum(hits // self.size - back, 0)
        self.ended_own[step] = (split.finished.sum() - found[ended].sum() * self.size) * self.page
        gone = stored - attended(stored, self.group.window) - back * self.size
        self.found_parts[0, step] = np.clip(gone, 0, found * self.size)[~ended].sum()
        self.found_parts[1, step] = found[~ended].sum()

    @property
    def split(self) -> Split:
        """The split in slots. What no layer of the group uses of a page is padding, unless the block is finished."""
        tokens = Split(*self.parts)
        used = (tokens.allocated - tokens.finished) * (self.page - self.group.units)
        return tokens.times(self.group.units)._replace(finished=tokens.finished * self.page, page_padding=used)

    @property
    def found(self) -> Split:
        """Of the split, the expired slots and the page padding of blocks that were found as prefix hits."""
        none = np.zeros_like(self.blocks)
        expired, blocks = self.found_parts
        unused = blocks * self.size * (self.page - self.group.units)
        return Split(*[none] * 5, expired=expired * self.group.units, page_padding=unused)
