"""When each step begins: after a cost for what the former step computed, or at the measured times of a live run."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.compiled import inner

# Indices into every kernel's State.at. NEXT and ARRIVED count requests, HEAD is the one at the head of the queue. ENDED
# requests had ended when the latest step began.
DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, HEAD, ENDED = range(8)


class Clock(NamedTuple):
    """One of the two: without measured times, the costs apply."""

    starts_ns: NDArray[np.int64]  # (S,) start of each step, or (0,)
    cost_ns: NDArray[np.int64]  # (4,) of a step: constant, per sequence, per token, and of one with a prompt


@inner
def step_cost(clock, sequences, tokens):
    """How long a step takes, in ns; 0 if starts were measured."""
    if clock.starts_ns.size:
        return np.int64(0)
    prefill = clock.cost_ns[3] if tokens > sequences else 0
    return clock.cost_ns[0] + clock.cost_ns[1] * sequences + clock.cost_ns[2] * tokens + prefill


@inner
def end_step(at, clock, sequences, tokens):
    """Go on to the start of the next step; after the last measured step, time stands still."""
    end_steps(at, clock, step_cost(clock, sequences, tokens), 1)


@inner
def end_steps(at, clock, cost, steps):
    """Go on by a number of steps of this cost, which is 1 if starts were measured."""
    at[STEP] += steps
    at[ENDED] = at[COMPLETED]
    if clock.starts_ns.size == 0:
        at[NOW] += cost * steps
    elif at[STEP] < clock.starts_ns.size:
        at[NOW] = clock.starts_ns[at[STEP]]


@inner
def end_step_ahead(at, busy, clock, sequences, tokens):
    """As `end_step` of an engine that schedules a step while the one before is computed, which `at[busy]` says until
    when; a step without tokens takes no time."""
    computed = max(at[NOW], at[busy])
    end_steps(at, clock, computed - at[NOW], 1)
    at[busy] = computed + (step_cost(clock, sequences, tokens) if tokens else 0)


@inner
def wait_for(at, clock, arrival_ns):
    """An idle engine waits for the next arrival; measured steps begin when they began."""
    if clock.starts_ns.size == 0:
        at[NOW] = max(at[NOW], arrival_ns)
