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
    from kvbench.replay.kernels import padded, paged_state, reserve
    from kvbench.replay.kernels.clock import Clock

LOOK_AHEAD = 256  # most steps that the paged kernel takes in one go
ALONE = ()  # shape of an engine that serves the whole trace; of N replicas behind a router: (N,)

Advance = Callable[[NDArray[np.int64]], int]


def prepared(trace: Trace, settings: Settings, starts_ns: NDArray[np.int64]) -> tuple[Any, Advance]:
    """A policy's initial state, and its kernel with all arguments bound except the buffer.

    `starts_ns` are measured starts of steps, shape (S,); empty: the settings' step time applies.
    """
    from kvbench.replay.kernels.clock import NOW

    clock = clock_of(settings, starts_ns)
    bind = _reserving if settings.policy in RESERVING else _padded if settings.policy in PADDED else _paged
    state, advance = bind(trace, settings, clock)
    state.at[NOW] = starts_ns[0] if starts_ns.size else 0
    return state, advance


def clock_of(settings: Settings, starts_ns: NDArray[np.int64]) -> Clock:
    """The clock of measured starts or, if there are none, of the settings' step time."""
    from kvbench.replay.kernels.clock import Clock

    return Clock(starts_ns, settings.step_time.costs_ns)


def _paged(trace: Trace, settings: Settings, clock: Clock) -> tuple[Any, Advance]:
    from kvbench.replay.kernels import paged

    requests, options, state, blocks = paged_engine(trace, settings, ALONE)
    groups = None if settings.windows == ONE_GROUP else _groups(settings, len(trace))
    return state, lambda rows: paged.advance(requests, options, state, clock, None, blocks, groups, rows)


def _reserving(trace: Trace, settings: Settings, clock: Clock) -> tuple[Any, Advance]:
    from kvbench.replay.kernels import reserve

    requests, options, state, space = reserving_engine(trace, settings, ALONE)
    return state, lambda rows: reserve.advance(requests, options, state, clock, None, space, rows)


def _padded(trace: Trace, settings: Settings, clock: Clock) -> tuple[Any, Advance]:
    from kvbench.replay.kernels import padded

    requests, options, state = padded_engine(trace, settings, ALONE)
    return state, lambda rows: padded.advance(requests, options, state, clock, None, rows)


def paged_engine(trace: Trace, settings: Settings, shape: tuple[int, ...]) -> paged_state.Engine:
    """The paged kernel's inputs for one engine or for replicas, without KV cache groups."""
    from kvbench.replay.kernels import paged_state

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
            settings.async_scheduling,
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
        at=np.zeros((*shape, 18), np.int64),
        known=trace.prompt_tokens.astype(np.int32),
        computed=np.zeros(count, np.int32),
        room=np.zeros(count, np.int32),
        running=np.zeros((*shape, most), np.int64),
        stack=np.zeros((*shape, most), np.int64),
        **_times(count),
        preempted=np.zeros(count, np.int32),
        ahead=np.zeros((2, LOOK_AHEAD), np.int64),
    )
    state.at[..., [paged_state.FREE, paged_state.UNRESERVED]] = pool
    return paged_state.Engine(
        requests, options, state, _blocks(trace, settings, most, shape) if settings.prefix_sharing else None
    )


def _times(requests: int) -> dict[str, NDArray[np.int64]]:
    return {name: np.full(requests, -1) for name in ("start_ns", "first_ns", "finish_ns")}


def _groups(settings: Settings, requests: int) -> Any:
    """KV cache groups in which no request has given back a block."""
    from kvbench.replay.kernels.groups import Groups

    return Groups(
        np.array(settings.windows, np.int64),
        np.array(admitted_blocks(settings)),
        *(np.zeros(requests, np.int64) for _ in range(3)),
    )


def _blocks(trace: Trace, settings: Settings, rows: int, shape: tuple[int, ...]) -> Any:
    """All blocks, free and in order of their ids, for up to `rows` running requests."""
    from kvbench.replay.kernels.blocks import Blocks

    pool, longest = settings.pool_blocks, -(-int(trace.final_tokens.max()) // settings.block_size)
    ring = np.arange(pool + 1, dtype=np.int32)
    return Blocks(
        after=_each(np.roll(ring, -1), shape),
        before=_each(np.roll(ring, 1), shape),
        references=np.zeros((*shape, pool), np.int32),
        owner=np.full((*shape, pool), -1),
        place=np.zeros((*shape, pool), np.int64),
        chain=np.full((*shape, pool), -1, np.int32),
        bucket=np.full((*shape, 1 << (2 * pool - 1).bit_length()), -1, np.int32),
        table=np.zeros((*shape, rows, longest), np.int32),
        row=np.zeros(len(trace), np.int32),
        rows=_each(np.append(np.arange(rows), rows).astype(np.int32), shape),
    )


def _each(values: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The same values for each replica."""
    return np.tile(values, (*shape, 1)) if shape else values


def reserving_engine(trace: Trace, settings: Settings, shape: tuple[int, ...]) -> reserve.Engine:
    """The reserving kernel's inputs for one engine or for replicas."""
    from kvbench.replay.kernels import reserve

    count, pool = len(trace), settings.pool_slots
    buddy = settings.allocator == "buddy"
    options = np.array([settings.max_running, settings.max_step_tokens, settings.long_prefill_tokens, buddy], np.int64)
    most = min(settings.max_running, count, pool)
    requests = reserve.Requests(
        trace.prompt_tokens, trace.output_tokens, trace.arrival_ns, reservation(trace, settings).astype(np.int32)
    )
    state = reserve.State(
        at=np.zeros((*shape, 11), np.int64),
        known=trace.prompt_tokens.astype(np.int32),
        computed=np.zeros(count, np.int32),
        address=np.zeros(count, np.int32),
        width=np.zeros(count, np.int32),
        running=np.zeros((*shape, most), np.int64),
        **_times(count),
    )
    state.at[..., reserve.FREE] = pool
    return reserve.Engine(requests, options, state, _free_space(state.at, pool, most, buddy, shape))


def _free_space(at: NDArray[np.int64], pool: int, most: int, buddy: bool, shape: tuple[int, ...]) -> Any:
    """An empty pool for up to `most` requests; arrays that only the other allocator uses are as short as possible."""
    from kvbench.replay.kernels.free_space import FreeSpace, open_pool

    addresses = pool if buddy else 1
    space = FreeSpace(
        hole_start=np.zeros((*shape, most + 2), np.int64),
        hole_size=np.zeros((*shape, most + 2), np.int64),
        head=np.full((*shape, pool.bit_length()), -1),
        level=np.full((*shape, addresses), -1, np.int8),
        after=np.zeros((*shape, addresses), np.int32),
        before=np.zeros((*shape, addresses), np.int32),
    )
    for place in np.ndindex(shape):
        open_pool(at[place], FreeSpace(*(values[place] for values in space)), pool, buddy)
    return space


def padded_engine(trace: Trace, settings: Settings, shape: tuple[int, ...]) -> padded.Engine:
    """The padded kernel's inputs for one engine or for replicas."""
    from kvbench.replay.kernels import padded

    options = np.array(
        [
            settings.max_running,
            settings.pool_slots,
            settings.row_slots if settings.policy == "hf-static" else 0,
            settings.longest_row,
        ],
        np.int64,
    )
    requests = padded.Requests(trace.prompt_tokens, trace.output_tokens, trace.arrival_ns)
    state = padded.State(at=np.zeros((*shape, 14), np.int64), **_times(len(trace)))
    return padded.Engine(requests, options, state)
