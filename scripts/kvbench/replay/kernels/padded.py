"""Padded static batches as `hf-batch` and `hf-static` form them: in order of arrival, each run until it has ended."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.clock import end_step, stopped, wait_for
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.runs import STEP_NS, STEPS

DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, FIRST, PASS, WIDTH, LONGEST, REFUSED = range(11)
MAX_ROWS, POOL, ROW, MAX_LENGTH = range(4)


class Requests(NamedTuple):
    """R requests in order of arrival; arrays of shape (R,)."""

    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]


class State(NamedTuple):
    """State kept between calls."""

    at: NDArray[np.int64]  # (11,) scalars; WIDTH and LONGEST are max p and max o of the batch
    start_ns: NDArray[np.int64]  # (R,)
    first_ns: NDArray[np.int64]  # (R,)
    finish_ns: NDArray[np.int64]  # (R,)


@inner
def _form_batch(requests, options, state):
    """Add arrived requests while the batch stays within the pool, the maximum length and the row limit.

    A growing cache (ROW 0) ends at max p + max o - 1 slots per row; a static cache holds ROW slots per row.
    """
    at = state.at
    at[FIRST], at[PASS], at[REFUSED] = at[NEXT], 0, 0
    at[WIDTH], at[LONGEST] = 0, 0
    while at[NEXT] < at[ARRIVED] and at[NEXT] - at[FIRST] < options[MAX_ROWS]:
        width = max(at[WIDTH], requests.prompt[at[NEXT]])
        longest = max(at[LONGEST], requests.output[at[NEXT]])
        rows = at[NEXT] - at[FIRST] + 1
        slots = rows * (options[ROW] if options[ROW] else width + longest - 1)
        if slots > options[POOL] or (rows > 1 and width + longest > options[MAX_LENGTH]):
            at[REFUSED] = 1
            break
        at[WIDTH], at[LONGEST] = width, longest
        state.start_ns[at[NEXT]] = at[NOW]
        at[NEXT] += 1


@inner
def _note(requests, options, state, row):
    """Fill a row of one step, in the order of `result.COLUMNS`, for pass at[PASS] (from 1)."""
    at = state.at
    grown = at[WIDTH] + at[PASS] - 1
    width = options[MAX_LENGTH] if options[ROW] else grown
    running = live = reserved = padding = tokens = 0
    for request in range(at[FIRST], at[NEXT]):
        prompt, output = requests.prompt[request], requests.output[request]
        if output >= at[PASS]:
            stored = prompt + at[PASS] - 1
            running += 1
            live += stored
            padding += at[WIDTH] - prompt
            reserved += min(prompt + output - 1, width - at[WIDTH] + prompt) - stored
            tokens += prompt if at[PASS] == 1 else 1
    row[0], row[1], row[2], row[3] = at[NOW], running, at[ARRIVED] - at[NEXT], tokens
    row[4] = row[5] = 0
    row[6], row[7], row[8], row[9] = live, reserved, running * width - live - padding - reserved, padding
    row[10], row[11] = 0, (at[NEXT] - at[FIRST] - running) * width
    row[12], row[13] = at[REFUSED], 0
    row[14] = options[POOL] - (at[NEXT] - at[FIRST]) * width
    row[STEPS], row[STEP_NS] = 1, 0


@outer
def advance(requests, options, state, clock, rows):
    """Run up to len(rows) passes; returns their number. `state.at[DONE]` is set when no request is left.

    The duration of a pass includes padding and ended rows, which are computed too. A measured pass at which no batch
    runs and no request has arrived is an empty row.
    """
    at, step = state.at, 0
    while step < len(rows):
        if at[PASS] == at[LONGEST]:
            if at[NEXT] == requests.prompt.size:
                at[DONE] = 1
                break
            wait_for(at, clock, requests.arrival_ns[at[NEXT]])
        if stopped(at, clock):
            at[DONE] = 1
            break
        while at[ARRIVED] < requests.prompt.size and requests.arrival_ns[at[ARRIVED]] <= at[NOW]:
            at[ARRIVED] += 1
        if at[PASS] == at[LONGEST]:
            _form_batch(requests, options, state)
        at[PASS] += at[LONGEST] > 0
        _note(requests, options, state, rows[step])
        batch = at[NEXT] - at[FIRST]
        computed = batch * (at[WIDTH] if at[PASS] == 1 else 1)
        end_step(at, clock, batch, computed)
        if at[PASS] == 1:
            state.first_ns[at[FIRST] : at[NEXT]] = at[NOW]
        if at[PASS] == at[LONGEST]:  # a Transformers batch returns as a whole
            state.finish_ns[at[FIRST] : at[NEXT]] = at[NOW]
            at[COMPLETED] = at[NEXT]
        step += 1
    return step
