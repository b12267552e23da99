"""Paged allocation under vLLM V1's scheduler: chunked prefill, recompute preemption, prefix caching, KV cache groups.

Follows `Scheduler.schedule`, `KVCacheManager.allocate_slots` and `BlockPool` of vLLM 0.32, first come first served,
synchronous scheduling. Without sharing, counting blocks is enough: `blocks` is None, and numba compiles no code for it.
With sharing each block has an identity, because the order in which cached blocks are evicted determines later hits.
`groups` is None for one group of full attention; with several, nothing is shared.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.kernels.blocks import adopt, cached, ceil, give_back, take
from kvbench.replay.kernels.clock import end_step, stopped, wait_for
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.groups import end, expired, number, slide, to_admit

# Indices into State.at and the options; the first four are the same in every kernel.
DONE, COMPLETED, NOW, STEP, NEXT, ARRIVED, RUNNING, STACKED, FREE, PREEMPTIONS, HITS, UNRESERVED = range(12)
BLOCK, MAX_RUNNING, STEP_TOKENS, LONG_PREFILL, WATERMARK, PROMPT_MUST_FIT = range(6)
NEVER = np.int64(1 << 62)


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

    at: NDArray[np.int64]  # (12,) scalars; UNRESERVED blocks are of no reservation
    known: NDArray[np.int64]  # (R,)
    computed: NDArray[np.int64]  # (R,)
    running: NDArray[np.int64]  # (M,) requests in vLLM's order
    stack: NDArray[np.int64]  # (M,) preempted requests; the last one resumes next
    start_ns: NDArray[np.int64]  # (R,) -1 until first scheduled
    first_ns: NDArray[np.int64]  # (R,) -1 until the first token
    finish_ns: NDArray[np.int64]  # (R,)
    preempted: NDArray[np.int64]  # (R,) number of preemptions


@inner
def _release(options, state, blocks, groups, request):
    size = options[BLOCK]
    if blocks is not None:
        state.at[FREE] += give_back(blocks, size, request, state.computed[request])
    else:
        state.at[FREE] += number(groups) * ceil(state.computed[request], size) - end(groups, size, request)


@inner
def _serve_running(requests, options, state, blocks, groups, threshold, budget):
    """Schedule tokens for running requests in order; if blocks run out, the latest request is preempted.

    Returns (budget left, number served, whether any was preempted).
    """
    at, size, served, preempted = state.at, options[BLOCK], 0, False
    while served < at[RUNNING] and budget > 0:
        request = state.running[served]
        stored = state.computed[request]
        new = min(state.known[request] - stored, threshold, budget)
        need = number(groups) * (ceil(stored + new, size) - ceil(stored, size))
        at[FREE] += slide(groups, size, request, stored)
        while need > at[FREE] and at[RUNNING] > served:
            at[RUNNING] -= 1
            victim = state.running[at[RUNNING]]
            _release(options, state, blocks, groups, victim)
            state.computed[victim] = 0
            state.preempted[victim] += 1
            state.stack[at[STACKED]] = victim
            at[STACKED] += 1
            at[PREEMPTIONS] += 1
            preempted = True
        if at[RUNNING] == served:
            break
        at[FREE] -= need
        if blocks is not None:
            take(requests, blocks, size, request, stored, stored + new)
        state.computed[request] += new
        budget -= new
        served += 1
    return budget, served, preempted


@inner
def _admit(requests, options, state, blocks, groups, threshold, budget):
    """Admit waiting requests, preempted ones first, until one is refused. Returns (budget left, refused for memory)."""
    at, size = state.at, options[BLOCK]
    while budget > 0 and at[RUNNING] < options[MAX_RUNNING] and (at[STACKED] or at[NEXT] < at[ARRIVED]):
        request = state.stack[at[STACKED] - 1] if at[STACKED] else at[NEXT]
        hits, unused = cached(requests, blocks, size, request, state.known[request]) if blocks is not None else (0, 0)
        stored = hits * size
        new = min(state.known[request] - stored, threshold, budget)
        must_fit = state.known[request] if options[PROMPT_MUST_FIT] else stored + new
        watermark = options[WATERMARK] if at[RUNNING] else 0
        lacks = requests.reserved[request] > at[UNRESERVED]
        if lacks or to_admit(groups, size, must_fit) - hits + unused + watermark > at[FREE]:
            return budget, True
        if at[STACKED]:
            at[STACKED] -= 1
        else:
            at[NEXT] += 1
            state.start_ns[request] = at[NOW]
        at[FREE] -= number(groups) * ceil(stored + new, size) - hits + unused
        at[UNRESERVED] -= requests.reserved[request]
        if blocks is not None:
            adopt(requests, blocks, request, hits)
            take(requests, blocks, size, request, stored, stored + new)
        at[HITS] += stored
        state.computed[request] = stored + new
        state.running[at[RUNNING]] = request
        at[RUNNING] += 1
        budget -= new
    return budget, False


@inner
def _note(requests, options, state, groups, pool_blocks, tokens, refused, row):
    """Fill one row, in the order of `result.COLUMNS`."""
    at, size = state.at, options[BLOCK]
    tails = reserved = past = 0
    for place in range(at[RUNNING]):
        request = state.running[place]
        stored = state.computed[request]
        tail = ceil(stored, size) * size - stored
        tails += tail
        reserved += min(tail, requests.prompt[request] + requests.output[request] - 1 - stored)
        past += expired(groups, size, request, stored)
    tails, reserved = number(groups) * tails, number(groups) * reserved
    row[0], row[1], row[2], row[3] = at[NOW], at[RUNNING], at[STACKED] + at[ARRIVED] - at[NEXT], tokens
    row[4], row[5] = at[PREEMPTIONS], at[HITS]
    row[6], row[7], row[8] = (pool_blocks - at[FREE]) * size - tails - past, reserved, tails - reserved
    row[9], row[10], row[11] = 0, past, 0
    row[12], row[13], row[14] = refused, 0, at[FREE] * size


@inner
def _give_tokens(requests, options, state, blocks, groups, served):
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
                at[UNRESERVED] += requests.reserved[request]
                _release(options, state, blocks, groups, request)
                continue
        state.running[kept] = request
        kept += 1
    at[RUNNING] = kept


@outer
def advance(requests, options, state, clock, blocks, groups, pool_blocks, rows):
    """Run up to len(rows) steps; returns their number. `state.at[DONE]` is set when no request is left."""
    at, step = state.at, 0
    while step < len(rows):
        if at[RUNNING] == 0 and at[STACKED] == 0 and at[NEXT] == at[ARRIVED]:
            if at[ARRIVED] == requests.prompt.size:
                at[DONE] = 1
                break
            wait_for(at, clock, requests.arrival_ns[at[ARRIVED]])
        if stopped(at, clock):
            at[DONE] = 1
            break
        while at[ARRIVED] < requests.prompt.size and requests.arrival_ns[at[ARRIVED]] <= at[NOW]:
            at[ARRIVED] += 1
        alone = at[RUNNING] + at[STACKED] + at[ARRIVED] - at[NEXT] == 1
        threshold = NEVER if alone or options[LONG_PREFILL] == 0 else options[LONG_PREFILL]
        budget = options[STEP_TOKENS]
        budget, served, refused = _serve_running(requests, options, state, blocks, groups, threshold, budget)
        if not refused:
            running = at[RUNNING]
            budget, refused = _admit(requests, options, state, blocks, groups, threshold, budget)
            served += at[RUNNING] - running
        tokens = options[STEP_TOKENS] - budget
        _note(requests, options, state, groups, pool_blocks, tokens, refused, rows[step])
        end_step(at, clock, served, tokens)
        _give_tokens(requests, options, state, blocks, groups, served)
        step += 1
    return step
