"""Contiguous reservations, made once at admission by a real allocator: `buddy` or `best_fit`.

The scheduler is that of the paged kernel without preemption (a reservation covers all that a request will store), so
that policies differ only in their memory. Decode steps between two events are one row of several steps.
Sizes and addresses are in slots.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels import best_fit, buddy
from kvbench.replay.kernels.arrivals import NEVER, arrive, leave_queue, steps_to_arrival, stopped, wait
from kvbench.replay.kernels.clock import end_step, end_steps, step_cost
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.free_space import HOLES, FreeSpace
from kvbench.replay.kernels.runs import STEP_NS, STEPS

DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, HEAD, ENDED, RUNNING, FREE = range(HOLES)
MAX_RUNNING, STEP_TOKENS, LONG_PREFILL, BUDDY = range(4)


class Requests(NamedTuple):
    """R requests in order of arrival; arrays of shape (R,)."""

    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]
    asked: NDArray[np.int32]  # slots that the policy asks for


class State(NamedTuple):
    """State kept between calls; M is the largest number of running requests."""

    at: NDArray[np.int64]  # (11,) scalars, the last one HOLES
    known: NDArray[np.int32]  # (R,) prompt and generated tokens
    computed: NDArray[np.int32]  # (R,) tokens stored
    address: NDArray[np.int32]  # (R,)
    width: NDArray[np.int32]  # (R,) allocated slots: a buddy allocator rounds up
    running: NDArray[np.int64]  # (M,)
    start_ns: NDArray[np.int64]  # (R,)
    first_ns: NDArray[np.int64]  # (R,)
    finish_ns: NDArray[np.int64]  # (R,)


class Engine(NamedTuple):
    """What `advance` takes, for one engine or for several replicas."""

    requests: Requests
    options: NDArray[np.int64]
    state: State
    space: FreeSpace


@inner
def of_replica(state, replica):
    """The state of one of several replicas: what is not of requests has a row for each."""
    return State(
        state.at[replica],
        state.known,
        state.computed,
        state.address,
        state.width,
        state.running[replica],
        state.start_ns,
        state.first_ns,
        state.finish_ns,
    )


@inner
def _admit(requests, options, state, space, sent, threshold, budget):
    """Admit waiting requests in order until one is refused. Returns (budget left, refused for memory)."""
    at = state.at
    while budget > 0 and at[RUNNING] < options[MAX_RUNNING] and at[NEXT] < at[ARRIVED]:
        request = at[HEAD]
        asked = requests.asked[request]
        address = buddy.take(space, asked) if options[BUDDY] else best_fit.take(at, space, asked)
        if address < 0:
            return budget, True
        state.address[request], state.width[request] = address, 1 << buddy.level_of(asked) if options[BUDDY] else asked
        at[FREE] -= state.width[request]
        leave_queue(at, sent)
        state.start_ns[request] = at[NOW]
        state.running[at[RUNNING]] = request
        at[RUNNING] += 1
        new = min(state.known[request], threshold, budget)
        state.computed[request] = new
        budget -= new
    return budget, False


@inner
def _note(requests, options, state, space, tokens, refused, row):
    """Fill a row of one step, in the order of `result.COLUMNS`.

    External: free slots that would do if they were contiguous.
    """
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
    row[13] = at[FREE] if refused and at[FREE] >= requests.asked[at[HEAD]] else 0
    row[14] = buddy.largest(space) if options[BUDDY] else best_fit.largest(at, space)
    row[STEPS], row[STEP_NS] = 1, 0


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
def _decode(requests, options, state, clock, sent, refused, steps, rows, count):
    """Run up to `steps` decode steps that differ from the previous one (rows[count - 1]) by one token per request.

    Stops before a step in which an arrival could be admitted. The allocator does not change meanwhile, so a request
    refused in the previous step is refused in all of these. A row has all steps up to the next arrival. Returns the
    number of rows written.
    """
    at, done, first = state.at, 0, count
    running, before = at[RUNNING], rows[count - 1]
    full = refused or running == options[MAX_RUNNING] or running == options[STEP_TOKENS]
    cost = step_cost(clock, running, running)
    while done < steps and count < len(rows) and not stopped(at, clock, sent):
        arrive(at, requests.arrival_ns, sent)
        if at[NEXT] < at[ARRIVED] and not full:
            break
        row, take = rows[count], min(steps - done, steps_to_arrival(at, clock, requests.arrival_ns, cost, sent))
        for column in range(row.size):  # a single assignment takes 2 s longer to compile
            row[column] = before[column]
        row[0], row[2] = at[NOW], at[ARRIVED] - at[NEXT]
        row[6] += running * (done + 1)
        row[7] -= running * (done + 1)
        row[STEPS], row[STEP_NS] = take, cost
        end_steps(at, clock, cost, take)
        done += take
        count += 1
    for place in range(running):
        state.known[state.running[place]] += done
        state.computed[state.running[place]] += done
    return count - first


@outer
def advance(requests, options, state, clock, sent, space, rows):
    """Run until `rows` is full; returns the number of rows. `state.at[DONE]` is set when no request is left."""
    at, count = state.at, 0
    while count < len(rows):
        idle = at[RUNNING] == 0 and at[NEXT] == at[ARRIVED]
        if (idle and not wait(at, clock, requests.arrival_ns, sent)) or stopped(at, clock, sent):
            at[DONE] = 1
            break
        arrive(at, requests.arrival_ns, sent)
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
        budget, refused = _admit(requests, options, state, space, sent, threshold, budget)
        served += at[RUNNING] - running
        tokens = options[STEP_TOKENS] - budget
        _note(requests, options, state, space, tokens, refused, rows[count])
        end_step(at, clock, served, tokens)
        running = at[RUNNING]
        _give_tokens(requests, options, state, space, served)
        count += 1
        if tokens == running == at[RUNNING]:
            quiet = _quiet_steps(requests, state)
            count += _decode(requests, options, state, clock, sent, refused, quiet, rows, count)
    return count
