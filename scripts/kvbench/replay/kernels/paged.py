"""Paged allocation under vLLM V1's scheduler: chunked prefill, recompute preemption, prefix caching, KV cache groups.

Follows `Scheduler.schedule`, `KVCacheManager.allocate_slots` and `BlockPool` of vLLM 0.32, first come first served.
With asynchronous scheduling (`EngineCore.step_with_batch_queue`) a step is scheduled while the one before is computed:
its tokens count already, but the engine sees them a step later. Without sharing, counting blocks is enough: `blocks` is
None, and numba compiles no code for it. With sharing each block has an identity, because the order in which cached
blocks are evicted determines later hits.
`groups` is None for one group of full attention; with several, nothing is shared. `sent` is None for an engine alone.
"""

from kvbench.replay.kernels.arrivals import NEVER, arrive, leave_queue, stopped, wait
from kvbench.replay.kernels.blocks import adopt, cached, ceil
from kvbench.replay.kernels.compiled import inner, outer
from kvbench.replay.kernels.groups import number, see, seen, slide, to_admit
from kvbench.replay.kernels.paged_decode import decode
from kvbench.replay.kernels.paged_state import (
    AHEAD,
    ARRIVED,
    BLOCK,
    COMPLETED,
    DONE,
    FREE,
    HEAD,
    HITS,
    LONG_PREFILL,
    MAX_RUNNING,
    NEXT,
    NOW,
    PREEMPTIONS,
    PROMPT_MUST_FIT,
    RUNNING,
    STACKED,
    STEP_TOKENS,
    UNRESERVED,
    UNSEEN,
    WATERMARK,
    end_step,
    has_all,
    lacking,
    note,
    release,
    store,
)


@inner
def _serve_running(requests, options, state, blocks, groups, threshold, budget):
    """Schedule tokens for running requests in order; if blocks run out, the latest request is preempted.

    Returns (budget left, number served, of these without a new token, whether any was preempted). A request whose last
    token is not seen yet gets no more.
    """
    at, served, complete, preempted = state.at, 0, 0, False
    while served < at[RUNNING] and budget > 0:
        request = state.running[served]
        if at[UNSEEN] and has_all(requests, state, request):
            served += 1
            complete += 1
            continue
        stored = state.computed[request]
        new = min(state.known[request] - stored, threshold, budget)
        need = lacking(options, state, request, new)
        certain = seen(groups, request) if options[AHEAD] else stored
        at[FREE] += slide(groups, options[BLOCK], request, certain)
        while number(groups) * need > at[FREE] and at[RUNNING] > served:
            at[RUNNING] -= 1
            victim = state.running[at[RUNNING]]
            release(requests, options, state, blocks, groups, victim)
            state.computed[victim] = 0
            state.preempted[victim] += 1
            state.stack[at[STACKED]] = victim
            at[STACKED] += 1
            at[PREEMPTIONS] += 1
            preempted = True
        if at[RUNNING] == served:
            break
        store(requests, options, state, blocks, groups, request, new, need)
        budget -= new
        served += 1
    return budget, served, complete, preempted


@inner
def _admit(requests, options, state, sent, blocks, groups, threshold, budget):
    """Admit waiting requests, preempted ones first, until one is refused. Returns (budget left, refused for memory)."""
    at, size = state.at, options[BLOCK]
    while budget > 0 and at[RUNNING] < options[MAX_RUNNING] and (at[STACKED] or at[NEXT] < at[ARRIVED]):
        request = state.stack[at[STACKED] - 1] if at[STACKED] else at[HEAD]
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
            leave_queue(at, sent)
            state.start_ns[request] = at[NOW]
        at[FREE] -= unused
        at[UNRESERVED] -= requests.reserved[request]
        at[HITS] += stored
        if blocks is not None:
            adopt(requests, blocks, request, hits)
        state.computed[request] = stored
        store(requests, options, state, blocks, groups, request, new, ceil(new, size))
        state.running[at[RUNNING]] = request
        at[RUNNING] += 1
        budget -= new
    return budget, False


@inner
def _sees(requests, state, request):
    """The engine sees a request's latest token; whether it was the last."""
    at = state.at
    if state.first_ns[request] < 0 and state.known[request] > requests.prompt[request]:
        state.first_ns[request] = at[NOW]
    if not has_all(requests, state, request):
        return False
    state.finish_ns[request] = at[NOW]
    at[COMPLETED] += 1
    at[UNRESERVED] += requests.reserved[request]
    return True


@inner
def _give_tokens(requests, options, state, blocks, groups, served):
    """End a step: served requests whose known tokens are all computed get a token, and leave if it is their last.

    With asynchronous scheduling the engine first sees the tokens of the step before, and requests leave with those.
    """
    at, kept, ahead = state.at, 0, options[AHEAD] > 0
    if ahead:
        _see_preempted(requests, state)
    for place in range(at[RUNNING]):
        request = state.running[place]
        if ahead and _sees(requests, state, request):
            at[UNSEEN] -= 1
            release(requests, options, state, blocks, groups, request)
            continue
        if place < served and state.computed[request] == state.known[request]:
            state.known[request] += 1
            if not ahead and _sees(requests, state, request):
                release(requests, options, state, blocks, groups, request)
                continue
            at[UNSEEN] += has_all(requests, state, request)
        if ahead:
            see(groups, request, state.computed[request])
        state.running[kept] = request
        kept += 1
    at[RUNNING] = kept


@inner
def _see_preempted(requests, state):
    """Requests that were preempted while a token was computed have it, and leave if it was their last."""
    at, kept = state.at, 0
    for place in range(at[STACKED]):
        request = state.stack[place]
        if _sees(requests, state, request):
            at[UNSEEN] -= 1
            continue
        state.stack[kept] = request
        kept += 1
    at[STACKED] = kept


@inner
def _step(requests, options, state, clock, sent, blocks, groups, row):
    """Run one step. Returns whether it only decoded, with no request preempted or ended, and whether one was refused
    for memory."""
    at = state.at
    alone = at[RUNNING] + at[STACKED] + at[ARRIVED] - at[NEXT] == 1
    threshold = NEVER if alone or options[LONG_PREFILL] == 0 else options[LONG_PREFILL]
    budget = options[STEP_TOKENS]
    budget, served, complete, preempted = _serve_running(requests, options, state, blocks, groups, threshold, budget)
    refused = preempted
    if not preempted:
        running = at[RUNNING]
        budget, refused = _admit(requests, options, state, sent, blocks, groups, threshold, budget)
        served += at[RUNNING] - running
    tokens, running = options[STEP_TOKENS] - budget, at[RUNNING]
    note(requests, options, state, blocks, groups, tokens, refused, row)
    end_step(options, at, clock, served - complete, tokens)
    _give_tokens(requests, options, state, blocks, groups, served)
    return not preempted and 0 < served == running == at[RUNNING], refused


@outer
def advance(requests, options, state, clock, sent, blocks, groups, rows):
    """Run until `rows` is full; returns the number of rows. `state.at[DONE]` is set when no request is left."""
    at, count = state.at, 0
    while count < len(rows):
        idle = at[RUNNING] == 0 and at[STACKED] == 0 and at[NEXT] == at[ARRIVED]
        if (idle and not wait(at, clock, requests.arrival_ns, sent)) or stopped(at, clock, sent):
            at[DONE] = 1
            break
        arrive(at, requests.arrival_ns, sent)
        quiet, refused = _step(requests, options, state, clock, sent, blocks, groups, rows[count])
        count += 1
        if quiet and blocks is None and groups is None:
            count += decode(requests, options, state, clock, sent, refused, rows, count)
    return count
