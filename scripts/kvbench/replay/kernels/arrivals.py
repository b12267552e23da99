"""The queue of an engine: every request of a trace as it arrives, or those that a router sends to it.

`sent` is None where an engine serves the whole trace. Its queue is then the requests in their order.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.clock import ARRIVED, HEAD, NEXT, NOW, STEP, wait_for
from kvbench.replay.kernels.compiled import inner

NEVER = np.int64(1 << 62)


class Sent(NamedTuple):
    """The queues of all replicas behind a router, as lists that link each request to the next one of its replica.

    No step begins at `until_ns` or later, the time of the router's next decision: every step knows all requests that
    have arrived when it begins.
    """

    after: NDArray[np.int32]  # (R,)
    until_ns: NDArray[np.int64]  # (1,)


@inner
def following(sent, request):
    """The request behind this one in the queue."""
    if sent is None:
        return request + 1
    return np.int64(sent.after[request])


@inner
def leave_queue(at, sent):
    """The request at the head of the queue leaves it."""
    at[NEXT] += 1
    at[HEAD] = following(sent, at[HEAD])


@inner
def arrive(at, arrival_ns, sent):
    """Queue the requests that have arrived; a router has done so."""
    if sent is None:
        while at[ARRIVED] < arrival_ns.size and arrival_ns[at[ARRIVED]] <= at[NOW]:
            at[ARRIVED] += 1


@inner
def wait(at, clock, arrival_ns, sent):
    """Let an idle engine wait for the next arrival; False if it does not know of one."""
    if sent is None and at[ARRIVED] < arrival_ns.size:
        wait_for(at, clock, arrival_ns[at[ARRIVED]])
        return True
    return False


@inner
def stopped(at, clock, sent):
    """Whether no further step may begin: all measured steps have been replayed, or the router decides first."""
    if sent is None:
        return clock.starts_ns.size > 0 and at[STEP] == clock.starts_ns.size
    return at[NOW] >= sent.until_ns[0]


@inner
def steps_allowed(at, cost, sent):
    """How many steps of this cost begin before the router's next decision."""
    if sent is None:
        return NEVER
    return NEVER if cost == 0 else (sent.until_ns[0] - at[NOW] - 1) // cost + 1


@inner
def steps_to_arrival(at, clock, arrival_ns, cost, sent):
    """How many steps of this cost begin before a further request is in the queue; 1 if starts were measured."""
    if clock.starts_ns.size:
        return np.int64(1)
    if sent is not None or cost == 0 or at[ARRIVED] == arrival_ns.size:
        return steps_allowed(at, cost, sent)
    return (arrival_ns[at[ARRIVED]] - at[NOW] + cost - 1) // cost
