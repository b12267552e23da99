"""To which of N replicas a router sends a request, from what a router knows: the prompts that it has sent to each of
them, and how many of these requests have not ended yet. Ties go to the replica with the lowest number.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.compiled import inner

ROUND_ROBIN, LEAST_OUTSTANDING, PREFIX_AWARE = range(3)
BITS = 64


class Router(NamedTuple):
    """A router of N replicas. What follows `in_flight` is of PREFIX_AWARE; other kinds have arrays without elements."""

    kind: int
    in_flight: NDArray[np.int64]  # (N,) requests sent to each replica that have not ended
    match_share: float  # of a prompt's tokens
    apart_requests: int
    apart_ratio: float
    block_tokens: int
    prompt: NDArray[np.int64]  # (R,)
    ids: NDArray[np.int64]  # (n,) numbers of the full blocks of all prompts
    offsets: NDArray[np.int64]  # (R + 1,)
    seen: NDArray[np.int64]  # (blocks, words) a bit for each replica to which a block has been sent
    recorded: NDArray[np.int64]  # (N,) different blocks that have been sent to each replica
    holders: NDArray[np.int64]  # (words,) scratch: a bit for each replica


@inner
def choose(router, request):
    """The replica for a request."""
    if router.kind == ROUND_ROBIN:
        return request % router.in_flight.size
    if router.kind == LEAST_OUTSTANDING or _apart(router):
        return _least(router.in_flight)
    matched = _match(router, request)
    if matched * router.block_tokens > router.match_share * router.prompt[request]:
        return _least_of_holders(router)
    return _least(router.recorded)


@inner
def record(router, request, replica):
    """Note that the blocks of a request's prompt are sent to a replica."""
    if router.kind != PREFIX_AWARE:
        return
    word, bit = replica // BITS, np.int64(1) << np.int64(replica % BITS)
    for at in range(router.offsets[request], router.offsets[request + 1]):
        block = router.ids[at]
        if router.seen[block, word] & bit == 0:
            router.seen[block, word] |= bit
            router.recorded[replica] += 1


@inner
def _apart(router):
    """Whether the replicas' requests in flight lie so far apart that only these count."""
    least = most = router.in_flight[0]
    for one in router.in_flight:
        least, most = min(least, one), max(most, one)
    return most - least > router.apart_requests and most > router.apart_ratio * least


@inner
def _match(router, request):
    """The longest run of blocks with which the prompt begins that have been sent to one replica; fills `holders`."""
    matched = 0
    router.holders[:] = -1
    for at in range(router.offsets[request], router.offsets[request + 1]):
        block, found = router.ids[at], np.int64(0)
        for word in range(router.holders.size):
            found |= router.holders[word] & router.seen[block, word]
        if found == 0:
            break
        for word in range(router.holders.size):
            router.holders[word] &= router.seen[block, word]
        matched += 1
    return matched


@inner
def _least(values):
    """The first place with the least value."""
    best = 0
    for place in range(1, values.size):
        if values[place] < values[best]:
            best = place
    return best


@inner
def _least_of_holders(router):
    """The holder with the fewest requests in flight."""
    best = -1
    for replica in range(router.in_flight.size):
        if router.holders[replica // BITS] & (np.int64(1) << np.int64(replica % BITS)) == 0:
            continue
        if best < 0 or router.in_flight[replica] < router.in_flight[best]:
            best = replica
    return best
