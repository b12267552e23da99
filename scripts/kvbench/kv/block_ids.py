"""Counts from the block tables that were read: what distinct blocks hold, by the engine's own ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.schedule import Schedule
from kvbench.kv.split import Slots, blocks_for

NULL_BLOCK = 0  # stands in a table for a block that was given back, where an engine gives any back


def table_lengths(schedule: Schedule) -> Slots:
    """Entries that each table that was read should have, from tokens, shape (B,); those given back keep theirs."""
    return blocks_for(_tokens_of_rows(schedule), schedule.block_size)


def blocks_by_step(schedule: Schedule) -> tuple[Slots, Slots, Slots, Slots]:
    """Steps whose block ids were read; in each, pages of distinct blocks, filled places in them, pages of all requests.

    Ids are those of one pool, unless blocks of different groups take different numbers of its pages.
    """
    size, lengths, groups = schedule.block_size, schedule.block_length, schedule.paging.groups
    pages = np.array([group.pages for group in groups], np.int64)
    steps, at = np.unique(schedule.block_step, return_inverse=True)
    row = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept = schedule.block_ids != NULL_BLOCK if _gives_back(schedule) else np.ones(len(row), bool)
    row, place, ids = row[kept], place[kept], schedule.block_ids[kept]
    tokens = _tokens_of_rows(schedule)
    filled = np.clip(tokens[row] - place * size, 0, size)
    group = schedule.block_group[row]
    space = group if len(set(pages.tolist())) > 1 else np.zeros_like(group)
    blocks, block = np.unique(np.stack([at[row], space, ids]), axis=1, return_inverse=True)
    fullest = np.zeros(blocks.shape[1], np.int64)
    np.maximum.at(fullest, block.ravel(), filled)
    taken = np.zeros(blocks.shape[1], np.int64)
    taken[block.ravel()] = pages[group]

    def summed(weights: NDArray, of: NDArray) -> Slots:
        return np.bincount(of, weights, len(steps)).astype(np.int64)

    return steps, summed(taken, blocks[0]), summed(fullest * taken, blocks[0]), summed(pages[group], at[row])


def _gives_back(schedule: Schedule) -> bool:
    return any(group.window is not None and not group.ring for group in schedule.paging.groups)


def _tokens_of_rows(schedule: Schedule) -> Slots:
    """Tokens that fill the blocks of each row from the front; a ring never has more than its window."""
    tokens = schedule.block_tokens.astype(np.int64)
    for at, group in enumerate(schedule.paging.groups):
        if group.ring:
            tokens = np.where(schedule.block_group == at, np.minimum(tokens, group.window), tokens)
    return tokens
