"""Contiguous reservations made once, at admission, from a real allocator: buddy or best fit.

The scheduler is the paged kernel's without preemption (a reservation covers all that a request will store), so that
two policies differ by their memory alone. Decoding steps between two events are written in one go, each with its own
row. Sizes and addresses are slots.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kvbench.replay.kernels import inner

DONE, COMPLETED, NOW, NEXT, ARRIVED, RUNNING, FREE, HOLES = range(8)
MAX_RUNNING, STEP_TOKENS, LONG_PREFILL, STEP_NS, TOKEN_NS, BUDDY = range(6)
NEVER = np.int64(1 << 62)


class Requests(NamedTuple):
    """R requests in order of arrival; arrays of shape (R,)."""

    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]
    asked: NDArray[np.int64]  # slots that the policy asks for


class State(NamedTuple):
    """What goes on between calls; M is the most requests that run at once."""

    at: NDArray[np.int64]  # (8,) scalars
    known: NDArray[np.int64]  # (R,) prompt and generated tokens
    computed: NDArray[np.int64]  # (R,) tokens stored
    address: NDArray[np.int64]  # (R,)
    width: NDArray[np.int64]  # (R,) slots got: a buddy allocator rounds up
    running: NDArray[np.int64]  # (M,)
    start_ns: NDArray[np.int64]  # (R,)
    first_ns: NDArray[np.int64]  # (R,)
    finish_ns: NDArray[np.int64]  # (R,)


class Space(NamedTuple):
    """The free space of a pool of P slots. Best fit: holes by address. Buddy: a list of free chunks for each power."""

    hole_start: NDArray[np.int64]  # (M + 2,)
    hole_size: NDArray[np.int64]  # (M + 2,)
    head: NDArray[np.int64]  # (levels,) latest free chunk of 2^level slots, or -1
    level: NDArray[np.int8]  # (P,) level of the free chunk that begins here, or -1
    after: NDArray[np.int32]  # (P,)
    before: NDArray[np.int32]  # (P,)


@inner
def _best_fit(at, space, size):
    """Address in the smallest hole that holds `size`, the lowest of equals; -1 if none does."""
    best = -1
    for hole in range(at[HOLES]):
        room = space.hole_size[hole]
        if room >= size and (best < 0 or room < space.hole_size[best]):
            best = hole
    if best < 0:
        return -1
    address = space.hole_start[best]
    space.hole_start[best] += size
    space.hole_size[best] -= size
    if space.hole_size[best] == 0:
        at[HOLES] -= 1
        for hole in range(best, at[HOLES]):
            space.hole_start[hole], space.hole_size[hole] = space.hole_start[hole + 1], space.hole_size[hole + 1]
    return address


@inner
def _return_hole(at, space, address, size):
    """Free a range and join it with its neighbours."""
    place = at[HOLES]
    while place > 0 and space.hole_start[place - 1] > address:
        place -= 1
    joins_left = place > 0 and space.hole_start[place - 1] + space.hole_size[place - 1] == address
    joins_right = place < at[HOLES] and address + size == space.hole_start[place]
    if joins_left:
        space.hole_size[place - 1] += size
        if joins_right:
            space.hole_size[place - 1] += space.hole_size[place]
            at[HOLES] -= 1
            for hole in range(place, at[HOLES]):
                space.hole_start[hole], space.hole_size[hole] = space.hole_start[hole + 1], space.hole_size[hole + 1]
    elif joins_right:
        space.hole_start[place] = address
        space.hole_size[place] += size
    else:
        for hole in range(at[HOLES], place, -1):
            space.hole_start[hole], space.hole_size[hole] = space.hole_start[hole - 1], space.hole_size[hole - 1]
        space.hole_start[place], space.hole_size[place] = address, size
        at[HOLES] += 1


@inner
def _push(space, address, level):
    head = space.head[level]
    space.level[address], space.after[address], space.before[address] = level, head, -1
    if head >= 0:
        space.before[head] = address
    space.head[level] = address


@inner
def _remove(space, address):
    level, left, right = space.level[address], space.before[address], space.after[address]
    if left >= 0:
        space.after[left] = right
    else:
        space.head[level] = right
    if right >= 0:
        space.before[right] = left
    space.level[address] = -1


@inner
def _level_of(size):
    level = 0
    while 1 << level < size:
        level += 1
    return level


@inner
def _buddy(space, size):
    """Address of a chunk of the next power of two, split from the smallest free one; -1 if there is none."""
    wanted = level = _level_of(size)
    while level < space.head.size and space.head[level] < 0:
        level += 1
    if level >= space.head.size:
        return -1
    address = space.head[level]
    _remove(space, address)
    while level > wanted:
        level -= 1
        _push(space, address + (1 << level), level)
    return address


@inner
def _return_buddy(space, address, level):
    """Free a chunk and merge it with its buddy as long as that is free."""
    while level + 1 < space.head.size:
        buddy = address ^ (1 << level)
        if buddy >= space.level.size or space.level[buddy] != level:
            break
        _remove(space, buddy)
        address = min(address, buddy)
        level += 1
    _push(space, address, level)


@njit(cache=True)
def open_pool(options, state, space):
    """Make the whole pool free; a buddy pool falls into the powers of two of its size, the largest first."""
    pool = space.level.size if options[BUDDY] else state.at[FREE]
    if not options[BUDDY]:
        space.hole_start[0], space.hole_size[0], state.at[HOLES] = 0, pool, 1
        return
    address = 0
    for level in range(space.head.size - 1, -1, -1):
        if pool - address >= 1 << level:
            _push(space, address, level)
            address += 1 << level


@inner
def _largest(options, at, space):
    """Slots of the largest reservation that would succeed now."""
    if options[BUDDY]:
        for level in range(space.head.size - 1, -1, -1):
            if space.head[level] >= 0:
                return 1 << level
        return 0
    largest = 0
    for hole in range(at[HOLES]):
        largest = max(largest, space.hole_size[hole])
    return largest


@inner
def _admit(requests, options, state, space, threshold, budget):
    """Waiting requests in order until one is refused. Returns (budget left, refused for memory)."""
    at = state.at
    while budget > 0 and at[RUNNING] < options[MAX_RUNNING] and at[NEXT] < at[ARRIVED]:
        request = at[NEXT]
        asked = requests.asked[request]
        address = _buddy(space, asked) if options[BUDDY] else _best_fit(at, space, asked)
        if address < 0:
            return budget, True
        state.address[request] = address
        state.width[request] = 1 << _level_of(asked) if options[BUDDY] else asked
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
    """One row, in the order of `result.COLUMNS`. External: free slots that would do if they lay together."""
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
    row[9] = row[10] = 0
    row[11] = refused
    row[12] = at[FREE] if refused and at[FREE] >= requests.asked[at[NEXT]] else 0
    row[13] = _largest(options, at, space)


@inner
def _end_step(requests, options, state, space, served):
    """The step's tokens are there: requests that have caught up gain one, and those with their last one leave."""
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
                    _return_buddy(space, state.address[request], _level_of(state.width[request]))
                else:
                    _return_hole(at, space, state.address[request], state.width[request])
                continue
        state.running[kept] = request
        kept += 1
    at[RUNNING] = kept


@inner
def _quiet_steps(requests, state):
    """Steps ahead in which every running request gains one token and none ends; 0 if one is still in its prompt."""
    at, least = state.at, NEVER
    for place in range(at[RUNNING]):
        request = state.running[place]
        if state.known[request] != state.computed[request] + 1 or state.first_ns[request] < 0:
            return 0
        least = min(least, requests.prompt[request] + requests.output[request] - state.known[request])
    return least - 1


@inner
def _decode(requests, options, state, refused, steps, rows, step):
    """Up to `steps` decoding steps that differ from the one before (rows[step - 1]) by one token a request.

    Stops before a step in which an arrival could be admitted. The allocator does not change meanwhile, so a request
    refused in the step before is refused in each of these. Returns the number of rows written.
    """
    at, done = state.at, 0
    running = at[RUNNING]
    full = refused or running == options[MAX_RUNNING] or running == options[STEP_TOKENS]
    while done < steps and step + done < len(rows):
        while at[ARRIVED] < requests.prompt.size and requests.arrival_ns[at[ARRIVED]] <= at[NOW]:
            at[ARRIVED] += 1
        if at[NEXT] < at[ARRIVED] and not full:
            break
        row, before = rows[step + done], rows[step + done - 1]
        for column in range(row.size):  # as one assignment it takes 2 s to compile
            row[column] = before[column]
        row[0], row[2] = at[NOW], at[ARRIVED] - at[NEXT]
        row[6] += running
        row[7] -= running
        at[NOW] += options[STEP_NS] + options[TOKEN_NS] * running
        done += 1
    for place in range(running):
        state.known[state.running[place]] += done
        state.computed[state.running[place]] += done
    return done


@njit(cache=True)
def advance(requests, options, state, space, rows):
    """Run up to len(rows) steps; returns how many. `state.at[DONE]` is set when no request is left."""
    at, step = state.at, 0
    while step < len(rows):
        if at[RUNNING] == 0 and at[NEXT] == at[ARRIVED]:
            if at[ARRIVED] == requests.prompt.size:
                at[DONE] = 1
                break
            at[NOW] = max(at[NOW], requests.arrival_ns[at[ARRIVED]])
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
        at[NOW] += options[STEP_NS] + options[TOKEN_NS] * tokens
        running = at[RUNNING]
        _end_step(requests, options, state, space, served)
        step += 1
        if tokens == running == at[RUNNING]:
            step += _decode(requests, options, state, refused, _quiet_steps(requests, state), rows, step)
    return step
