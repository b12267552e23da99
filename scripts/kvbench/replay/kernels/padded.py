"""Padded static batches as `hf-batch` and `hf-static` form them: in order of arrival, each run until it has ended."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.arrivals import arrive, following, leave_queue, stopped, wait
from kvbench.replay.kernels.clock import end_step
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.runs import STEP_NS, STEPS

DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, HEAD, ENDED, FIRST, ROWS, PASS, WIDTH, LONGEST, REFUSED = range(14)
MAX_ROWS, POOL, ROW, LONGEST_ROW = range(4)


class Requests(NamedTuple):
    """R requests in order of arrival; arrays of shape (R,)."""

    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]


class State(NamedTuple):
    """State kept between calls."""

    at: NDArray[
        np.int64
    ]  # (14,) scalars; the batch has ROWS requests from FIRST on, WIDTH and LONGEST are their max p and max o
    start_ns: NDArray[np.int64]  # (R,)
    first_ns: NDArray[np.int64]  # (R,)
    finish_ns: NDArray[np.int64]  # (R,)


class Engine(NamedTuple):
    """What `advance` takes, for one engine or for several replicas."""

    requests: Requests
    options: NDArray[np.int64]
    state: State


@inner
def of_replica(state, replica):
    """The state of one of several replicas: the scalars have a row for each."""
    return State(state.at[replica], state.start_ns, state.first_ns, state.finish_ns)


@inner
def _form_batch(requests, options, state, sent):
    """Add arrived requests while the batch stays within the pool, the longest row and the row limit.

    A growing cache (ROW 0) ends at max p + max o - 1 slots per row; a static cache holds ROW slots per row.
    """
    at = state.at
    at[FIRST], at[ROWS], at[PASS], at[REFUSED] = at[HEAD], 0, 0, 0
    at[WIDTH], at[LONGEST] = 0, 0
    while at[NEXT] < at[ARRIVED] and at[ROWS] < options[MAX_ROWS]:
        width = max(at[WIDTH], requests.prompt[at[HEAD]])
        longest = max(at[LONGEST], requests.output[at[HEAD]])
        rows = at[ROWS] + 1
        slots = rows * (options[ROW] if options[ROW] else width + longest - 1)
        if slots > options[POOL] or (rows > 1 and width + longest > options[LONGEST_ROW]):
            at[REFUSED] = 1
            break
        at[WIDTH], at[LONGEST], at[ROWS] = width, longest, rows
        state.start_ns[at[HEAD]] = at[NOW]
        leave_queue(at, sent)


@inner
def _note(requests, options, state, sent, row):
    """Fill a row of one step, in the order of `result.COLUMNS`, for pass at[PASS] (from 1)."""
    at = state.at
    grown = at[WIDTH] + at[PASS] - 1
    width = options[LONGEST_ROW] if options[ROW] else grown
    running = live = reserved = padding = tokens = 0
    request = at[FIRST]
    for _ in range(at[ROWS]):
        prompt, output = requests.prompt[request], requests.output[request]
        if output >= at[PASS]:
            stored = prompt + at[PASS] - 1
            running += 1
            live += stored
            padding += at[WIDTH] - prompt
            reserved += min(prompt + output - 1, width - at[WIDTH] + prompt) - stored
            tokens += prompt if at[PASS] == 1 else 1
        request = following(sent, request)
    row[0], row[1], row[2], row[3] = at[NOW], running, at[ARRIVED] - at[NEXT], tokens
    row[4] = row[5] = 0
    row[6], row[7], row[8], row[9] = live, reserved, running * width - live - padding - reserved, padding
    row[10], row[11] = 0, (at[ROWS] - running) * width
    row[12], row[13] = at[REFUSED], 0
    row[14] = options[POOL] - at[ROWS] * width
    row[STEPS], row[STEP_NS] = 1, 0


@inner
def _stamp(at, sent, times_ns):
    """Set the time of each request of the batch to now."""
    request = at[FIRST]
    for _ in range(at[ROWS]):
        times_ns[request] = at[NOW]
        request = following(sent, request)


@outer
def advance(requests, options, state, clock, sent, rows):
    """Run up to len(rows) passes; returns their number. `state.at[DONE]` is set when no request is left.

    The duration of a pass includes padding and ended rows, which are computed too. A measured pass at which no batch
    runs and no request has arrived is an empty row.
    """
    at, step = state.at, 0
    while step < len(rows):
        idle = at[PASS] == at[LONGEST] and at[NEXT] == at[ARRIVED]
        if (idle and not wait(at, clock, requests.arrival_ns, sent)) or stopped(at, clock, sent):
            at[DONE] = 1
            break
        arrive(at, requests.arrival_ns, sent)
        if at[PASS] == at[LONGEST]:
            _form_batch(requests, options, state, sent)
        at[PASS] += at[LONGEST] > 0
        _note(requests, options, state, sent, rows[step])
        batch = at[ROWS]
        computed = batch * (at[WIDTH] if at[PASS] == 1 else 1)
        end_step(at, clock, batch, computed)
        if at[PASS] == 1:
            _stamp(at, sent, state.first_ns)
        if at[PASS] == at[LONGEST]:  # a Transformers batch returns as a whole
            _stamp(at, sent, state.finish_ns)
            at[COMPLETED] = at[NEXT]
        step += 1
    return step
