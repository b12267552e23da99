"""Contiguous reservations, made once at admission by a real allocator: `buddy` or `best_fit`.

The scheduler is that of the paged kernel without preemption (a reservation covers all that a request will store), so
that policies differ only in their memory. Decode steps between two events are written in one go, each with its own row.
Sizes and addresses are in slots.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels import best_fit, buddy
from kvbench.replay.kernels.clock import end_step, stopped, wait_for
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.free_space import HOLES

DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, RUNNING, FREE = range(HOLES)
MAX_RUNNING, STEP_TOKENS, LONG_PREFILL, BUDDY = range(4)
NEVER = np.int64(1 << 62)


class Requests(NamedTuple):
    """R requests in order of arrival; arrays of shape (R,)."""

    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]
    asked: NDArray[np.int64]  # slots that the policy asks for


class State(NamedTuple):
    """State kept between calls; M is the largest number of running requests."""

    at: NDArray[np.int64]  # (9,) scalars, the last one HOLES
    known: NDArray[np.int64]  # (R,) prompt and generated tokens
    computed: NDArray[np.int64]  # (R,) tokens stored
    address: NDArray[np.int64]  # (R,)
    width: NDArray[np.int64]  # (R,) allocated slots: a buddy allocator rounds up
    running: NDArray[np.int64]  # (M,)
    start_ns: NDArray[np.int64]  # (R,)
    first_ns: NDArray[np.int64]  # (R,)
    finish_ns: NDArray[np.int64]  # (R,)


@inner
def _admit(requests, options, state, space, threshold, budget):
    """Admit waiting requests in order until one is refused. Returns (budget left, refused for memory)."""
    at = state.at
    while budget > 0 and at[RUNNING] < options[MAX_RUNNING] and at[NEXT] < at[ARRIVED]:
        request = at[NEXT]
        asked = requests.asked[request]
        address = buddy.take(space, asked) if options[BUDDY] else best_fit.take(at, space, asked)
        if address < 0:
            return budget, True
        state.address[request], state.width[request] = address, 1 << buddy.level_of(asked) if options[BUDDY] else asked
        at[FREE] -= state.width[request]
        at[NEXT] += 1
        state.start_ns[request] = at[NOW]
        state.running[at[RUNNING]] = request
        at[RUNNING] += 1
        new = min(state.known[request], threshold, budget)
        state.computed[request] = new
        budget -= new
    return budget, False


@inner
def _note(requests, options, state, space, tokens, refused, row):
    """Fill one row, in the order of `result.COLUMNS`. External: free slots that would do if they were contiguous."""
    at = state.at
    live = reserved = internal = 0
    for place in range(at[RUNNING]):
        request = state.running[place]
        final = requests.prompt[request] + requests.output[request] - 1
        live += state.computed[request]
        reserved += final - state.computed[request]
        internal += state.width[request] - final
    row[0], row[1], row[2], row[3] = at[NOW], at[RUNNING], at[ARRIVED] - at[NEXT], tokens
    row[4] = row[5] = 0
    row[6], row[7], row[8] = live, reserved, internal
    row[9] = row[10] = row[11] = 0
    row[12] = refused
    row[13] = at[FREE] if refused and at[FREE] >= requests.asked[at[NEXT]] else 0
    row[14] = buddy.largest(space) if options[BUDDY] else best_fit.largest(at, space)


@inner
def _give_tokens(requests, options, state, space, served):
    """End a step: served requests whose known tokens are all computed get a token, and leave if it is their last."""
    at, kept = state.at, 0
    for place in range(at[RUNNING]):
        request = state.running[place]
        if place < served and state.computed[request] == state.known[request]:
            state.known[request] += 1
            if state.first_ns[request] < 0:
                state.first_ns[request] = at[NOW]
            if state.known[request] == requests.prompt[request] + requests.output[request]:
                state.finish_ns[request] = at[NOW]
                at[COMPLETED] += 1
                at[FREE] += state.width[request]
                if options[BUDDY]:
                    buddy.give_back(space, state.address[request], buddy.level_of(state.width[request]))
                else:
                    best_fit.give_back(at, space, state.address[request], state.width[request])
                continue
        state.running[kept] = request
        kept += 1
    at[RUNNING] = kept


@inner
def _quiet_steps(requests, state):
    """Number of next steps in which every running request gets a token and none ends; 0 if one is still in prefill."""
    at, least = state.at, NEVER
    for place in range(at[RUNNING]):
        request = state.running[place]
        if state.known[request] != state.computed[request] + 1 or state.first_ns[request] < 0:
            return 0
        least = min(least, requests.prompt[request] + requests.output[request] - state.known[request])
    return least - 1


@inner
def _decode(requests, options, state, clock, refused, steps, rows, step):
    """Run up to `steps` decode steps that differ from the previous one (rows[step - 1]) by one token per request.

    Stops before a step in which an arrival could be admitted. The allocator does not change meanwhile, so a request
    refused in the previous step is refused in all of these. Returns the number of rows written.
    """
    at, done = state.at, 0
    running = at[RUNNING]
    full = refused or running == options[MAX_RUNNING] or running == options[STEP_TOKENS]
    while done < steps and step + done < len(rows) and not stopped(at, clock):
        while at[ARRIVED] < requests.prompt.size and requests.arrival_ns[at[ARRIVED]] <= at[NOW]:
            at[ARRIVED] += 1
        if at[NEXT] < at[ARRIVED] and not full:
            break
        row, before = rows[step + done], rows[step + done - 1]
        for column in range(row.size):  # a single assignment takes 2 s longer to compile
            row[column] = before[column]
        row[0], row[2] = at[NOW], at[ARRIVED] - at[NEXT]
        row[6] += running
        row[7] -= running
        end_step(at, clock, running, running)
        done += 1
    for place in range(running):
        state.known[state.running[place]] += done
        state.computed[state.running[place]] += done
    return done


@outer
def advance(requests, options, state, clock, space, rows):
    """Run up to len(rows) steps; returns their number. `state.at[DONE]` is set when no request is left."""
    at, step = state.at, 0
    while step < len(rows):
        if at[RUNNING] == 0 and at[NEXT] == at[ARRIVED]:
            if at[ARRIVED] == requests.prompt.size:
                at[DONE] = 1
                break
            wait_for(at, clock, requests.arrival_ns[at[ARRIVED]])
        if stopped(at, clock):
            at[DONE] = 1
            break
        while at[ARRIVED] < requests.prompt.size and requests.arrival_ns[at[ARRIVED]] <= at[NOW]:
            at[ARRIVED] += 1
        alone = at[RUNNING] + at[ARRIVED] - at[NEXT] == 1
        threshold = NEVER if alone or options[LONG_PREFILL] == 0 else options[LONG_PREFILL]
        budget, served = options[STEP_TOKENS], 0
        while served < at[RUNNING] and budget > 0:
            request = state.running[served]
            new = min(state.known[request] - state.computed[request], threshold, budget)
            state.computed[request] += new
            budget -= new
            served += 1
        running = at[RUNNING]
        budget, refused = _admit(requests, options, state, space, threshold, budget)
        served += at[RUNNING] - running
        tokens = options[STEP_TOKENS] - budget
        _note(requests, options, state, space, tokens, refused, rows[step])
        end_step(at, clock, served, tokens)
        running = at[RUNNING]
        _give_tokens(requests, options, state, space, served)
        step += 1
        if tokens == running == at[RUNNING]:
            quiet = _quiet_steps(requests, state)
            step += _decode(requests, options, state, clock, refused, quiet, rows, step)
    return step
