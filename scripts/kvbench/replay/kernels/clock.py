"""When each step begins: after a cost for what the former step computed, or at the measured times of a live run."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.compiled import inner

# Indices into every kernel's State.at.
DONE, COMPLETED, NOW, STEP = range(4)


class Clock(NamedTuple):
    """One of the two: without measured times, the costs apply."""

    starts_ns: NDArray[np.int64]  # (S,) start of each step, or (0,)
    cost_ns: NDArray[np.int64]  # (3,) of a step: constant, per sequence, per token


@inner
def end_step(at, clock, sequences, tokens):
    """Go on to the start of the next step; after the last measured step, time stands still."""
    at[STEP] += 1
    if clock.starts_ns.size == 0:
        at[NOW] += clock.cost_ns[0] + clock.cost_ns[1] * sequences + clock.cost_ns[2] * tokens
    elif at[STEP] < clock.starts_ns.size:
        at[NOW] = clock.starts_ns[at[STEP]]


@inner
def wait_for(at, clock, arrival_ns):
    """An idle engine waits for the next arrival; measured steps begin when they began."""
    if clock.starts_ns.size == 0:
        at[NOW] = max(at[NOW], arrival_ns)


@inner
def stopped(at, clock):
    """Whether all measured steps have been replayed."""
    return clock.starts_ns.size > 0 and at[STEP] == clock.starts_ns.size
