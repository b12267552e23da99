"""The steps of the paged kernel in which each running request gets a token and nothing else happens.

Such a step changes sums only: which of the next steps take a block follows from the room in the last block of each
request, so that a step costs the same however many requests run.
"""

import numpy as np

from kvbench.replay.kernels.arrivals import NEVER, arrive, steps_allowed, stopped
from kvbench.replay.kernels.clock import step_cost
from kvbench.replay.kernels.compiled import inner
from kvbench.replay.kernels.paged_state import (
    ARRIVED,
    BLOCK,
    FREE,
    INTERNAL,
    MAX_RUNNING,
    NEXT,
    RUNNING,
    STACKED,
    STEP_TOKENS,
    TAILS,
    end_step,
    note,
)


@inner
def _quiet_steps(requests, state):
    """Number of next steps in which every running request gets a token and none ends; 0 if one is still in prefill."""
    least = NEVER
    for place in range(state.at[RUNNING]):
        request = state.running[place]
        if state.known[request] != state.computed[request] + 1 or state.first_ns[request] < 0:
            return np.int64(0)
        least = min(least, requests.prompt[request] + requests.output[request] - state.known[request])
    return least - 1


@inner
def _look_ahead(requests, options, state, steps):
    """Fill `state.ahead` for this many steps."""
    size, taken, never = options[BLOCK], state.ahead[0], state.ahead[1]
    taken[:steps] = 0
    never[:steps] = 0
    for place in range(state.at[RUNNING]):
        request = state.running[place]
        room = state.room[request]
        for step in range(room, steps, size):
            taken[step] += 1
        left = requests.prompt[request] + requests.output[request] - state.known[request]  # tokens to be stored
        if room < left < steps + size:
            last = room + (left - room - 1) // size * size  # the step that takes the request's last block
            if last < steps:
                never[last] += last + size - left


@inner
def decode(requests, options, state, clock, sent, refused, rows, count):
    """Run decode steps from row `count` on until one needs more; returns their number.

    Stops before a step in which a request ends, may be admitted or is preempted. Free blocks only become fewer, so a
    request refused in the previous step is refused in all of these.
    """
    at, running, done = state.at, state.at[RUNNING], 0
    full = refused or running == options[MAX_RUNNING] or running == options[STEP_TOKENS]
    allowed = steps_allowed(at, step_cost(clock, running, running), sent)
    steps = min(_quiet_steps(requests, state), len(rows) - count, state.ahead.shape[1], allowed)
    if steps <= 0:
        return 0
    _look_ahead(requests, options, state, steps)
    while done < steps and not stopped(at, clock, sent):
        arrive(at, requests.arrival_ns, sent)
        need = state.ahead[0, done]
        if need > at[FREE] or (not full and at[STACKED] + at[ARRIVED] > at[NEXT]):
            break
        at[FREE] -= need
        at[TAILS] += need * options[BLOCK] - running
        at[INTERNAL] += state.ahead[1, done]
        note(requests, options, state, None, None, running, refused, rows[count + done])
        end_step(options, at, clock, running, running)
        done += 1
    _store(options, state, done)
    return done


@inner
def _store(options, state, tokens):
    """Store this many tokens of each running request."""
    for place in range(state.at[RUNNING]):
        request = state.running[place]
        state.known[request] += tokens
        state.computed[request] += tokens
        room = state.room[request] - tokens
        while room < 0:
            room += options[BLOCK]
        state.room[request] = room
