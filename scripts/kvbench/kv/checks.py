"""The identities that must hold at every sample; each sets the engine's side against tokens and lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kvbench.kv.contiguous import BatchRecord
from kvbench.kv.paged import Rebuilt
from kvbench.kv.schedule import Schedule
from kvbench.kv.split import Split, blocks_for


class AccountingError(Exception):
    """The engine and the arithmetic disagree: a defect of the measurement, never of the user's."""


def check_equal(what: str, engine: ArrayLike, tokens: ArrayLike) -> int:
    """Both sides equal at every sample; returns the number of samples checked."""
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
    """smaller <= larger at every sample; returns the number checked."""
    return check_equal(what, np.minimum(smaller, larger), np.asarray(smaller))


def check_split(split: Split, pool: ArrayLike) -> dict[str, int]:
    """No part negative, live <= allocated <= pool."""
    return {
        "parts_not_negative": sum(check_order("negative part of the split", 0 * part, part) for part in split),
        "live_within_allocated": check_order("live beyond allocated", split.live, split.allocated),
        "allocated_within_pool": check_order("allocated beyond the pool", split.allocated, pool),
    }


def check_paged(schedule: Schedule, rebuilt: Rebuilt, *, shared: bool) -> dict[str, int]:
    """Blocks in use by the free list against tokens; running requests; everything returned at the end."""
    in_use = schedule.total_blocks - schedule.free_blocks
    checks = {
        "scheduled_tokens": check_equal("scheduled tokens", schedule.scheduled_tokens, _dumped(schedule)),
        "returned_blocks": check_equal("free blocks at the end", schedule.end_free_blocks, schedule.total_blocks),
        "returned_requests": check_equal("requests at the end", schedule.end_requests, 0),
    }
    if not shared:
        checks["blocks_in_use"] = check_equal("blocks in use", in_use, rebuilt.blocks)
    return checks | check_block_ids(schedule)


def check_block_ids(schedule: Schedule) -> dict[str, int]:
    """At each step whose block ids were read: distinct ids equal the blocks in use; each request holds ceil(n/bs)."""
    if not len(schedule.block_step):
        return {}
    row_of_id = np.repeat(np.arange(len(schedule.block_length)), schedule.block_length)
    pairs = np.unique(np.stack([schedule.block_step[row_of_id], schedule.block_ids], axis=1), axis=0)
    steps = np.unique(schedule.block_step)
    distinct = np.array([np.sum(pairs[:, 0] == step) for step in steps])
    return {
        "distinct_block_ids": check_equal(
            "distinct block ids", schedule.total_blocks - schedule.free_blocks[steps], distinct
        ),
        "blocks_of_request": check_equal(
            "blocks of a request", schedule.block_length, blocks_for(schedule.block_tokens, schedule.block_size)
        ),
    }


def check_batch(batch: BatchRecord, slot_bytes: int, expected_width: ArrayLike) -> dict[str, int]:
    """Bytes of the cache's tensors against the slot formula; their width against the lengths."""
    rows = len(batch.prompt_tokens) + batch.empty_rows
    return {
        "cache_bytes": check_equal("bytes of the cache", batch.tensor_bytes, batch.rows * batch.width * slot_bytes),
        "cache_rows": check_equal("rows of the cache", batch.rows, np.full(len(batch.rows), rows)),
        "cache_width": check_equal("width of the cache", batch.width, expected_width),
    }


def _dumped(schedule: Schedule) -> np.ndarray:
    """Scheduled tokens a step from the per-request dumps: another path than the scheduler's own total."""
    lengths = schedule.dump_length
    dumped = lengths >= 0
    ends = np.cumsum(np.where(dumped, lengths, 0))
    sums = np.concatenate([[0], np.cumsum(schedule.dump_tokens)])
    tokens = sums[ends] - sums[ends - np.where(dumped, lengths, 0)]
    last_length = lengths[np.maximum.accumulate(np.where(dumped, np.arange(len(lengths)), 0))]
    return np.where(dumped, tokens, last_length)
