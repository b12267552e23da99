"""What the paged kernel keeps of requests and blocks, and how a request takes and gives back blocks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels import clock as clocks
from kvbench.replay.kernels.blocks import Blocks, ceil, give_back, take
from kvbench.replay.kernels.compiled import inner
from kvbench.replay.kernels.groups import end, expired, given_back_by, number
from kvbench.replay.kernels.runs import STEP_NS, STEPS

# Indices into State.at and the options; the first eight are the same in every kernel.
DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, HEAD, ENDED = range(8)
RUNNING, STACKED, FREE, PREEMPTIONS, HITS, UNRESERVED, TAILS, INTERNAL, BUSY, UNSEEN = range(8, 18)
BLOCK, MAX_RUNNING, STEP_TOKENS, LONG_PREFILL, WATERMARK, PROMPT_MUST_FIT, POOL_BLOCKS, AHEAD = range(8)


class Requests(NamedTuple):
    """R requests in order of arrival; arrays of shape (R,) except the last.

    With reservations, which suffice until a request ends, nothing is preempted.
    """

    prompt: NDArray[np.int64]
    output: NDArray[np.int64]
    arrival_ns: NDArray[np.int64]
    reserved: NDArray[np.int64]  # blocks reserved from admission to the end; 0: none
    texts: NDArray[np.int32]  # (R, most shared blocks) from `texts.block_texts`: below R; -1: not shared


class State(NamedTuple):
    """State kept between calls. `known` counts prompt and generated tokens, `computed` stored tokens."""

    at: NDArray[
        np.int64
    ]  # (18,) scalars; UNRESERVED blocks are of no reservation; TAILS and INTERNAL: slots of a group; BUSY: until when
    # the step before is computed; UNSEEN: requests whose last token is not seen yet
    known: NDArray[np.int32]  # (R,)
    computed: NDArray[np.int32]  # (R,)
    room: NDArray[np.int32]  # (R,) empty slots of the last block
    running: NDArray[np.int64]  # (M,) requests in vLLM's order
    stack: NDArray[np.int64]  # (M,) preempted requests; the last one resumes next
    start_ns: NDArray[np.int64]  # (R,) -1 until first scheduled
    first_ns: NDArray[np.int64]  # (R,) -1 until the first token
    finish_ns: NDArray[np.int64]  # (R,)
    preempted: NDArray[np.int32]  # (R,) number of preemptions
    ahead: NDArray[np.int64]  # (2, H) of the next decode steps: blocks that they take, slots never to be filled


class Engine(NamedTuple):
    """What `paged.advance` takes, for one engine or for several replicas, without KV cache groups."""

    requests: Requests
    options: NDArray[np.int64]
    state: State
    blocks: Blocks | None


@inner
def of_replica(state, replica):
    """The state of one of several replicas: what is not of requests has a row for each."""
    return State(
        state.at[replica],
        state.known,
        state.computed,
        state.room,
        state.running[replica],
        state.stack[replica],
        state.start_ns,
        state.first_ns,
        state.finish_ns,
        state.preempted,
        state.ahead,
    )


@inner
def has_all(requests, state, request):
    """Whether the last token of a request has been computed, or is being computed."""
    return state.known[request] == requests.prompt[request] + requests.output[request]


@inner
def end_step(options, at, clock, sequences, tokens):
    """Go on to the start of the next step, which asynchronous scheduling puts where the step before has ended."""
    if options[AHEAD]:
        clocks.end_step_ahead(at, BUSY, clock, sequences, tokens)
    else:
        clocks.end_step(at, clock, sequences, tokens)


@inner
def lacking(options, state, request, new):
    """Blocks that a request needs in each group for `new` more tokens; decoding needs no division."""
    beyond, size = new - state.room[request], options[BLOCK]
    return 0 if beyond <= 0 else 1 if beyond <= size else ceil(beyond, size)


@inner
def never_filled(requests, state, request):
    """Slots of a request's last block behind its last token; 0 before it has that block."""
    final = requests.prompt[request] + requests.output[request] - 1
    return max(0, state.computed[request] + state.room[request] - final)


@inner
def store(requests, options, state, blocks, groups, request, new, need):
    """Take `need` blocks in each group, if any, and store `new` tokens."""
    at, size = state.at, options[BLOCK]
    at[FREE] -= number(groups) * need
    at[TAILS] += need * size - new
    if blocks is not None:
        take(requests, blocks, size, request, state.computed[request], state.computed[request] + new)
    state.computed[request] += new
    state.room[request] += need * size - new
    if need:
        at[INTERNAL] += never_filled(requests, state, request)


@inner
def release(requests, options, state, blocks, groups, request):
    """Give back all blocks of a request that ends or is preempted."""
    at, size = state.at, options[BLOCK]
    at[TAILS] -= state.room[request]
    at[INTERNAL] -= never_filled(requests, state, request)
    state.room[request] = 0
    if blocks is not None:
        at[FREE] += give_back(blocks, size, request, state.computed[request])
    else:
        at[FREE] += blocks_of(options, state, groups, request)
        end(groups, request)


@inner
def blocks_of(options, state, groups, request):
    """Blocks that a request holds, where none are shared."""
    size = options[BLOCK]
    return number(groups) * ceil(state.computed[request], size) - given_back_by(groups, size, request)


@inner
def note(requests, options, state, blocks, groups, tokens, refused, row):
    """Fill a row of one step, in the order of `result.COLUMNS`.

    Where no blocks are shared, those of a request whose last token is not seen yet are `finished`.
    """
    at, size, past, finished = state.at, options[BLOCK], 0, 0
    tails, internal = number(groups) * at[TAILS], number(groups) * at[INTERNAL]
    if groups is not None or (at[UNSEEN] and blocks is None):
        for place in range(at[RUNNING]):
            request = state.running[place]
            if has_all(requests, state, request):
                finished += size * blocks_of(options, state, groups, request)
                tails -= number(groups) * state.room[request]
                internal -= number(groups) * state.room[request]
            else:
                past += expired(groups, size, request, state.computed[request])
    row[0], row[1], row[2], row[3] = at[NOW], at[RUNNING], at[STACKED] + at[ARRIVED] - at[NEXT], tokens
    row[4], row[5] = at[PREEMPTIONS], at[HITS]
    held_slots = (options[POOL_BLOCKS] - at[FREE]) * size - finished
    row[6], row[7], row[8] = held_slots - tails - past, tails - internal, internal
    row[9], row[10], row[11] = 0, past, finished
    row[12], row[13], row[14] = refused, 0, at[FREE] * size
    row[STEPS], row[STEP_NS] = 1, 0
