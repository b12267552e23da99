"""Runs N replicas of an engine behind a router over a trace, each with a pool of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.policies import PADDED, PREFIX_AWARE, RESERVING, ROUTERS
from kvbench.replay.checks import check, check_routing
from kvbench.replay.collector import Collector
from kvbench.replay.hit_rate_blocks import blocks_of
from kvbench.replay.inputs import Settings, Trace
from kvbench.replay.result import RequestTimes, Series, Totals
from kvbench.replay.routing import Routing
from kvbench.replay.start import clock_of, padded_engine, paged_engine, reserving_engine

if TYPE_CHECKING:
    from kvbench.replay.kernels.fleet import Fleet

ARRIVALS = 1 << 14  # that are routed in one go
BINS = 1000
CHUNK = 1 << 12  # rows


@dataclass(frozen=True)
class FleetReplay:
    """A finished replay of N replicas."""

    policy: str
    pool_slots: int  # of each replica
    totals: tuple[Totals, ...]  # of each replica
    series: tuple[Series, ...]
    requests: RequestTimes
    replica: NDArray[np.int32]  # (R,) from 0, to which each request was sent


def replay_fleet(
    trace: Trace,
    settings: Settings,
    routing: Routing,
    *,
    series_bins: int = BINS,
    progress: Callable[[int], None] | None = None,
) -> FleetReplay:
    """Replay a trace on `routing.replicas` engines with these settings until the last request has ended.

    A router sends each request to a replica when it arrives. Each replica decides as `replay` does for the requests
    that it is sent: with one replica, or round robin, the results are those of separate replays.

    Args:
        progress: called with the number of requests that have arrived since the last call.

    Raises:
        UserError: settings that cannot serve the trace, or KV cache groups.
    """
    from kvbench.replay.kernels.clock import NOW
    from kvbench.replay.kernels.fleet import drain, route

    check(trace, settings)
    check_routing(settings, routing)
    collectors = [Collector(settings.pool_slots, series_bins, keep_steps=False) for _ in range(routing.replicas)]
    fleet = _prepared(trace, settings, routing, collectors)
    for first in range(0, len(trace), ARRIVALS):
        end = min(first + ARRIVALS, len(trace))
        route(fleet, first, end)
        if progress:
            progress(end - first)
    for replica in range(routing.replicas):
        while not drain(fleet, replica):
            pass
    for one, found in zip(collectors, fleet.sums.cumulative, strict=True):
        one.cumulative = (int(found[0]), int(found[1]))
    state = (fleet.paged or fleet.reserving or fleet.padded).state
    preempted = state.preempted if fleet.paged else np.zeros(len(trace), np.int32)
    return FleetReplay(
        settings.policy,
        settings.pool_slots,
        tuple(one.totals(int(at[NOW])) for one, at in zip(collectors, fleet.at, strict=True)),
        tuple(one.series() for one in collectors),
        RequestTimes(state.start_ns, state.first_ns, state.finish_ns, preempted),
        fleet.replica,
    )


def _prepared(trace: Trace, settings: Settings, routing: Routing, collectors: list[Collector]) -> Fleet:
    """Idle replicas whose sums are those of the collectors."""
    from kvbench.replay.kernels import fleet, runs
    from kvbench.replay.kernels.arrivals import Sent

    shape = (routing.replicas,)
    engines: list[Any] = [None, None, None]
    if settings.policy in RESERVING:
        engines[1] = reserving_engine(trace, settings, shape)
    elif settings.policy in PADDED:
        engines[2] = padded_engine(trace, settings, shape)
    else:
        engines[0] = paged_engine(trace, settings, shape)
    at = next(one for one in engines if one).state.at
    sums = fleet.Sums(
        settings.pool_slots,
        np.stack([one.table for one in collectors]),
        np.stack([one.at for one in collectors]),
        np.zeros((routing.replicas, 2), np.int64),
    )
    for one, table, scalars in zip(collectors, sums.table, sums.at, strict=True):
        one.table, one.at = table, scalars
    return fleet.Fleet(
        *engines,
        at=at,
        clock=clock_of(settings, np.zeros(0, np.int64)),
        sent=Sent(np.zeros(len(trace), np.int32), np.zeros(1, np.int64)),
        last=np.zeros(routing.replicas, np.int64),
        replica=np.zeros(len(trace), np.int32),
        arrival_ns=trace.arrival_ns,
        router=_router(trace, settings, routing),
        sums=sums,
        rows=np.zeros((CHUNK, runs.COLUMNS), np.int64),
    )


def _router(trace: Trace, settings: Settings, routing: Routing) -> Any:
    """A router that has sent nothing yet; only a prefix-aware one knows prompts."""
    from kvbench.replay.kernels.routers import BITS, Router

    ids, offsets = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if routing.router == PREFIX_AWARE:
        blocks = blocks_of(trace, settings.block_size)
        ids, offsets = blocks.ids.astype(np.int64), blocks.offsets.astype(np.int64)
    words = -(-routing.replicas // BITS)
    return Router(
        kind=ROUTERS.index(routing.router),
        in_flight=np.zeros(routing.replicas, np.int64),
        match_share=float(routing.match_share),
        apart_requests=routing.apart_requests,
        apart_ratio=float(routing.apart_ratio),
        block_tokens=settings.block_size,
        prompt=trace.prompt_tokens,
        ids=ids,
        offsets=offsets,
        seen=np.zeros((int(ids.max(initial=-1)) + 1, words), np.int64),
        recorded=np.zeros(routing.replicas, np.int64),
        holders=np.zeros(words, np.int64),
    )
