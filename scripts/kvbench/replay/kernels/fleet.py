"""N replicas behind a router, each with the step loop of its policy, on one clock.

At an arrival, all steps that begin earlier have been run, so the router knows which requests have ended by then. Of the
three kinds of engine one is given, and the others are None, for which numba compiles no code.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels import blocks, free_space, padded, paged, paged_state, reserve
from kvbench.replay.kernels.arrivals import Sent
from kvbench.replay.kernels.clock import ARRIVED, COMPLETED, DONE, ENDED, HEAD, NEXT, NOW, Clock
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.routers import ROUND_ROBIN, Router, choose, record
from kvbench.replay.kernels.runs import collect

LATEST = np.int64(np.iinfo(np.int64).max)


class Sums(NamedTuple):
    """What is added up of each replica's steps."""

    pool: int  # slots of a replica
    table: NDArray[np.int64]  # (N, bins, runs.SUMS)
    at: NDArray[np.int64]  # (N, 5)
    cumulative: NDArray[np.int64]  # (N, 2) preemptions and prefix hits


class Fleet(NamedTuple):
    """N replicas of one kind of engine, whose states have a row for each, and their router."""

    paged: paged_state.Engine | None
    reserving: reserve.Engine | None
    padded: padded.Engine | None
    at: NDArray[np.int64]  # (N, scalars) the state's, of whichever kind
    clock: Clock
    sent: Sent
    last: NDArray[np.int64]  # (N,) the request at the end of each queue
    replica: NDArray[np.int32]  # (R,) to which each request is sent
    arrival_ns: NDArray[np.int64]  # (R,)
    router: Router
    sums: Sums
    rows: NDArray[np.int64]  # a buffer of steps


@outer
def route(fleet, first, end):
    """Send requests `first` to `end` to replicas, and run these up to the last one's arrival."""
    router = fleet.router
    for request in range(first, end):
        now = fleet.arrival_ns[request]
        fleet.sent.until_ns[0] = now
        if router.kind == ROUND_ROBIN:
            replica = choose(router, request)
            _run_until(fleet, replica, now)
        else:
            for one in range(router.in_flight.size):
                _run_until(fleet, one, now)
                router.in_flight[one] = _in_flight(fleet.at[one], now)
            replica = choose(router, request)
            record(router, request, replica)
        fleet.replica[request] = replica
        _queue(fleet.at[replica], fleet.sent.after, fleet.last, replica, request, now)


@outer
def drain(fleet, replica):
    """Run a replica for a buffer of steps after the last arrival; whether it has nothing left to do."""
    fleet.sent.until_ns[0] = LATEST
    _run(fleet, replica)
    return fleet.at[replica, COMPLETED] == fleet.at[replica, ARRIVED]


@inner
def _run_until(fleet, replica, until_ns):
    """Run all steps of a replica that begin before a time."""
    at = fleet.at[replica]
    while at[COMPLETED] < at[ARRIVED] and at[NOW] < until_ns:
        _run(fleet, replica)


@inner
def _in_flight(at, now):
    """Requests sent to a replica that have not ended: at the end of its latest step, or before it if that lasts on."""
    return at[ARRIVED] - (at[COMPLETED] if at[NOW] <= now else at[ENDED])


@inner
def _queue(at, after, last, replica, request, now):
    """Put a request at the end of a replica's queue; an idle one begins a step now."""
    if at[COMPLETED] == at[ARRIVED]:
        at[NOW] = max(at[NOW], now)
    if at[NEXT] == at[ARRIVED]:
        at[HEAD] = request
    else:
        after[last[replica]] = request
    last[replica] = request
    at[ARRIVED] += 1


@inner
def _run(fleet, replica):
    """Run a replica for a buffer of steps, or until the router's next decision."""
    rows, sums = fleet.rows, fleet.sums
    count = _advance(fleet, replica)
    fleet.at[replica, DONE] = 0
    if count > 0:
        collect(rows[:count], sums.pool, sums.table[replica], sums.at[replica])
        sums.cumulative[replica, 0], sums.cumulative[replica, 1] = rows[count - 1, 4], rows[count - 1, 5]


@inner
def _advance(fleet, replica):
    """Advance a replica with the kernel of its kind; the number of rows."""
    clock, sent, rows = fleet.clock, fleet.sent, fleet.rows
    return (
        _advance_paged(fleet.paged, clock, sent, replica, rows)
        + _advance_reserving(fleet.reserving, clock, sent, replica, rows)
        + _advance_padded(fleet.padded, clock, sent, replica, rows)
    )


@inner
def _advance_paged(engine, clock, sent, replica, rows):
    if engine is None:
        return 0
    state, own = paged_state.of_replica(engine.state, replica), blocks.of_replica(engine.blocks, replica)
    return paged.advance(engine.requests, engine.options, state, clock, sent, own, None, rows)


@inner
def _advance_reserving(engine, clock, sent, replica, rows):
    if engine is None:
        return 0
    state, space = reserve.of_replica(engine.state, replica), free_space.of_replica(engine.space, replica)
    return reserve.advance(engine.requests, engine.options, state, clock, sent, space, rows)


@inner
def _advance_padded(engine, clock, sent, replica, rows):
    if engine is None:
        return 0
    state = padded.of_replica(engine.state, replica)
    return padded.advance(engine.requests, engine.options, state, clock, sent, rows)
