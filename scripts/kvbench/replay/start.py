"""The initial state of a replay: no request has arrived and the whole pool is free."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.policies import PADDED, RESERVING
from kvbench.replay.inputs import ONE_GROUP, Settings, Trace, admitted_blocks, reservation, reserved_blocks
from kvbench.replay.texts import block_texts

if TYPE_CHECKING:
    from kvbench.replay.kernels.clock import Clock

LOOK_AHEAD = 256  # most steps that the paged kernel takes in one go

Advance = Callable[[NDArray[np.int64]], int]


def prepared(trace: Trace, settings: Settings, starts_ns: NDArray[np.int64]) -> tuple[Any, Advance]:
    """A policy's initial state, and its kernel with all arguments bound except the buffer.

    `starts_ns` are measured starts of steps, shape (S,); empty: the settings' step time applies.
    """
    from kvbench.replay.kernels.clock import NOW, Clock

    cost = settings.step_time
    clock = Clock(starts_ns, np.array([cost.constant_ns, cost.per_sequence_ns, cost.per_token_ns], np.int64))
    family = _reserve if settings.policy in RESERVING else _padded if settings.policy in PADDED else _paged
    state, advance = family(trace, settings, clock)
    state.at[NOW] = starts_ns[0] if starts_ns.size else 0
    return state, advance


def _paged(trace: Trace, settings: Settings, clock: Clock) -> tuple[Any, Advance]:
    from kvbench.replay.kernels import paged, paged_state

    count, pool = len(trace), settings.pool_blocks
    options = np.array(
        [
            settings.block_size,
            settings.max_running,
            settings.max_step_tokens,
            settings.long_prefill_tokens,
            settings.watermark_blocks,
            settings.prompt_must_fit,
            pool,
        ],
        np.int64,
    )
    most = min(settings.max_running, count, pool)  # each running request holds at least one block of its own
    texts = np.zeros((count, 0), np.int32)
    if settings.prefix_sharing:
        texts = block_texts(trace.text_order, trace.common_tokens, settings.block_size)
    requests = paged_state.Requests(
        trace.prompt_tokens, trace.output_tokens, trace.arrival_ns, reserved_blocks(trace, settings), texts
    )
    state = paged_state.State(
        at=np.zeros(14, np.int64),
        known=trace.prompt_tokens.astype(np.int32),
        computed=np.zeros(count, np.int32),
        room=np.zeros(count, np.int32),
        running=np.zeros(most, np.int64),
        stack=np.zeros(most, np.int64),
        start_ns=np.full(count, -1),
        first_ns=np.full(count, -1),
        finish_ns=np.full(count, -1),
        preempted=np.zeros(count, np.int32),
        ahead=np.zeros((2, LOOK_AHEAD), np.int64),
    )
    state.at[[paged_state.FREE, paged_state.UNRESERVED]] = pool
    blocks = _blocks(trace, settings, most) if settings.prefix_sharing else None
    groups = None if settings.windows == ONE_GROUP else _groups(settings, count)
    return state, lambda rows: paged.advance(requests, options, state, clock, blocks, groups, rows)


def _groups(settings: Settings, requests: int) -> Any:
    """KV cache groups in which no request has given back a block."""
    from kvbench.replay.kernels.groups import Groups

    return Groups(
        np.array(settings.windows, np.int64), np.array(admitted_blocks(settings)), np.zeros(requests, np.int64)
    )


def _blocks(trace: Trace, settings: Settings, rows: int) -> Any:
    """All blocks, free and in order of their ids, for up to `rows` running requests."""
    from kvbench.replay.kernels.blocks import Blocks

    pool, longest = settings.pool_blocks, -(-int(trace.final_tokens.max()) // settings.block_size)
    ring = np.arange(pool + 1, dtype=np.int32)
    return Blocks(
        after=np.roll(ring, -1),
        before=np.roll(ring, 1),
        references=np.zeros(pool, np.int32),
        owner=np.full(pool, -1),
        place=np.zeros(pool, np.int64),
        chain=np.full(pool, -1, np.int32),
        bucket=np.full(1 << (2 * pool - 1).bit_length(), -1, np.int32),
        table=np.zeros((rows, longest), np.int32),
        row=np.zeros(len(trace), np.int32),
        rows=np.append(np.arange(rows), rows).astype(np.int32),
    )


def _reserve(trace: Trace, settings: Settings, clock: Clock) -> tuple[Any, Advance]:
    from kvbench.replay.kernels import reserve

    count, pool = len(trace), settings.pool_slots
    buddy = settings.allocator == "buddy"
    options = np.array(
        [
            settings.max_running,
            settings.max_step_tokens,
            settings.long_prefill_tokens,
            buddy,
        ],
        np.int64,
    )
    most = min(settings.max_running, count, pool)
    requests = reserve.Requests(
        trace.prompt_tokens, trace.output_tokens, trace.arrival_ns, reservation(trace, settings).astype(np.int32)
    )
    state = reserve.State(
        at=np.zeros(9, np.int64),
        known=trace.prompt_tokens.astype(np.int32),
        computed=np.zeros(count, np.int32),
        address=np.zeros(count, np.int32),
        width=np.zeros(count, np.int32),
        running=np.zeros(most, np.int64),
        start_ns=np.full(count, -1),
        first_ns=np.full(count, -1),
        finish_ns=np.full(count, -1),
    )
    state.at[reserve.FREE] = pool
    space = _free_space(state.at, pool, most, buddy)
    return state, lambda rows: reserve.advance(requests, options, state, clock, space, rows)


def _free_space(at: NDArray[np.int64], pool: int, most: int, buddy: bool) -> Any:
    """An empty pool for up to `most` requests; arrays that only the other allocator uses are as short as possible."""
    from kvbench.replay.kernels.free_space import FreeSpace, open_pool

    addresses = pool if buddy else 1
    space = FreeSpace(
        hole_start=np.zeros(most + 2, np.int64),
        hole_size=np.zeros(most + 2, np.int64),
        head=np.full(pool.bit_length(), -1),
        level=np.full(addresses, -1, np.int8),
        after=np.zeros(addresses, np.int32),
        before=np.zeros(addresses, np.int32),
    )
    open_pool(at, space, pool, buddy)
    return space


def _padded(trace: Trace, settings: Settings, clock: Clock) -> tuple[Any, Advance]:
    from kvbench.replay.kernels import padded

    count = len(trace)
    options = np.array(
        [
            settings.max_running,
            settings.pool_slots,
            settings.row_slots if settings.policy == "hf-static" else 0,
            (1 << 31) if settings.max_length is None else settings.max_length,
        ],
        np.int64,
    )
    requests = padded.Requests(trace.prompt_tokens, trace.output_tokens, trace.arrival_ns)
    state = padded.State(
        at=np.zeros(11, np.int64),
        start_ns=np.full(count, -1),
        first_ns=np.full(count, -1),
        finish_ns=np.full(count, -1),
    )
    return state, lambda rows: padded.advance(requests, options, state, clock, rows)
