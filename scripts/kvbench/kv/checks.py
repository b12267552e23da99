"""Identities that must hold at every sample; each compares the engine's counts with tokens and lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kvbench.kv.block_ids import blocks_by_step, table_lengths
from kvbench.kv.contiguous import BatchRecord
from kvbench.kv.paged import Rebuilt, blocks_in_use
from kvbench.kv.schedule import Schedule
from kvbench.kv.split import Split


class AccountingError(Exception):
    """The engine and the arithmetic disagree: a defect of the measurement, never a mistake of the user."""


def check_equal(what: str, engine: ArrayLike, tokens: ArrayLike) -> int:
    """Check that both sides are equal at every sample; return the number of samples checked."""
    engine, tokens = np.atleast_1d(engine), np.atleast_1d(tokens)
    if engine.shape != tokens.shape:
        raise AccountingError(f"{what}: {engine.shape} samples from the engine, {tokens.shape} from tokens")
    wrong = np.flatnonzero(engine != tokens)
    if wrong.size:
        at = int(wrong[0])
        raise AccountingError(
            f"{what}: at sample {at} the engine says {engine[at]}, tokens and lengths say {tokens[at]}"
            f" ({wrong.size} of {engine.size} samples differ)"
        )
    return engine.size


def check_order(what: str, smaller: ArrayLike, larger: ArrayLike) -> int:
    """Check smaller <= larger at every sample; return the number of samples checked."""
    return check_equal(what, np.minimum(smaller, larger), np.asarray(smaller))


def check_split(split: Split, pool: ArrayLike) -> dict[str, int]:
    """Check that no part is negative and live <= allocated <= pool."""
    return {
        "parts_not_negative": sum(check_order("negative part of the split", 0 * part, part) for part in split),
        "live_within_allocated": check_order("live beyond allocated", split.live, split.allocated),
        "allocated_within_pool": check_order("allocated beyond the pool", split.allocated, pool),
    }


def check_paged(schedule: Schedule, rebuilt: Rebuilt, *, shared: bool) -> dict[str, int]:
    """Check blocks in use (from the free list) against tokens, scheduled tokens, and that all blocks are returned."""
    in_use = blocks_in_use(schedule)
    checks = {
        "scheduled_tokens": check_equal("scheduled tokens", schedule.scheduled_tokens, _dumped(schedule)),
        "returned_blocks": check_equal("free blocks at the end", schedule.end_free_blocks, schedule.total_blocks),
        "returned_requests": check_equal("requests at the end", schedule.end_requests, 0),
    }
    if shared:
        checks["blocks_shared"] = check_order("blocks in use beyond those of unshared requests", in_use, rebuilt.blocks)
    else:
        checks["blocks_in_use"] = check_equal("blocks in use", in_use, rebuilt.blocks)
    return checks | check_block_ids(schedule, rebuilt)


def check_block_ids(schedule: Schedule, rebuilt: Rebuilt) -> dict[str, int]:
    """Check that free list, tokens and block ids agree at each step whose block ids were read.

    Distinct ids equal the blocks in use. Their filled places are all places except the requests' tails, so no tail is
    shared. Each request's table has an entry for every block of its tokens, and those that it still holds add up to the
    blocks without sharing.
    """
    if not len(schedule.block_step):
        return {}
    steps, distinct, filled, held = blocks_by_step(schedule)
    in_use, size = blocks_in_use(schedule)[steps], schedule.block_size
    return {
        "distinct_block_ids": check_equal("distinct block ids", in_use, distinct),
        "filled_slots": check_equal("filled slots of distinct blocks", filled, in_use * size - rebuilt.tails[steps]),
        "blocks_without_sharing": check_equal("blocks of all requests", held, rebuilt.blocks[steps]),
        "blocks_of_request": check_equal("blocks of a request", schedule.block_length, table_lengths(schedule)),
    }


def check_batch(batch: BatchRecord, slot_bytes: int, expected_width: ArrayLike) -> dict[str, int]:
    """Check the bytes of the cache's tensors against the slot formula, and their width against the lengths."""
    rows = len(batch.prompt_tokens) + batch.empty_rows
    return {
        "cache_bytes": check_equal("bytes of the cache", batch.tensor_bytes, batch.rows * batch.row_slots * slot_bytes),
        "cache_rows": check_equal("rows of the cache", batch.rows, np.full(len(batch.rows), rows)),
        "cache_width": check_equal("width of the cache", batch.width.ravel(), np.ravel(expected_width)),
    }


def _dumped(schedule: Schedule) -> np.ndarray:
    """Scheduled tokens per step from the per-request dumps, independent of the scheduler's own total."""
    lengths = schedule.dump_length
    dumped = lengths >= 0
    ends = np.cumsum(np.where(dumped, lengths, 0))
    sums = np.concatenate([[0], np.cumsum(schedule.dump_tokens)])
    tokens = sums[ends] - sums[ends - np.where(dumped, lengths, 0)]
    last_length = lengths[np.maximum.accumulate(np.where(dumped, np.arange(len(lengths)), 0))]
    return np.where(dumped, tokens, last_length)
