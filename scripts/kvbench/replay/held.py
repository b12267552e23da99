"""Computes analytically the slots that a request holds, averaged over all steps in which it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.policies import PADDED, RESERVING
from kvbench.replay.inputs import Settings, Trace, reservation


def held_slots(trace: Trace, settings: Settings) -> float | None:
    """Slots that a running request holds, averaged over all steps; a request with o output tokens runs o steps.

    A reservation of r slots is held throughout: Σ o·r / Σ o, so long outputs weigh more. A paged request holds
    ceil(n / bs) blocks of bs slots at n stored tokens, n from p to p + o − 1, in each KV cache group; a sliding one has
    given back those behind the window of the token that the step computes. The pool divided by the result is the
    largest mean number of running requests. None for padded policies, where a row depends on its batch.
    """
    if settings.policy in PADDED:
        return None
    output = trace.output_tokens
    if settings.policy == "paged":
        held = sum(_block_steps(trace, settings.block_size, window) for window in settings.windows)
        held = held * settings.block_size
    else:
        held = output * reservation(trace, settings)
    return float(held.sum() / output.sum())


def alone_live_share(trace: Trace, settings: Settings) -> float | None:
    """Live over allocated slots, over all steps, if requests run one at a time and share nothing; None if padded.

    Equals the result of a replay with `max_running=1` if a step can compute the longest prompt. The rounding of a buddy
    allocator is included.
    """
    if settings.policy in PADDED:
        return None
    output = trace.output_tokens
    live = sum(_live_steps(trace, window) for window in settings.windows)
    if settings.policy in RESERVING and settings.allocator == "buddy":
        held = output << np.ceil(np.log2(reservation(trace, settings))).astype(np.int64)
        return float(live.sum() / held.sum())
    return float(live.sum() / output.sum() / held_slots(trace, settings))


def _live_steps(trace: Trace, window: int) -> NDArray[np.int64]:
    """Σ of each request's live tokens in a group over its steps: n stored ones, at most window − 1 if it slides."""
    first, last = trace.prompt_tokens, trace.final_tokens
    stored = _up_to(last) - _up_to(first - 1)
    return stored - (_up_to(last - window + 1) - _up_to(first - window)) if window else stored


def _block_steps(trace: Trace, size: int, window: int) -> NDArray[np.int64]:
    """Σ of the blocks that each request holds in a group over its steps."""
    first, last = trace.prompt_tokens, trace.final_tokens
    blocks = _blocks_up_to(last, size) - _blocks_up_to(first - 1, size)
    if not window:
        return blocks
    return blocks - (_whole_blocks_up_to(last - window, size) - _whole_blocks_up_to(first - window, size))


def _up_to(tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Σ n for n from 1 to each of `tokens`; 0 for none."""
    tokens = np.maximum(tokens, 0)
    return tokens * (tokens + 1) // 2


def _blocks_up_to(tokens: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Σ ceil(n / size) for n from 1 to each of `tokens`."""
    whole, rest = np.divmod(tokens, size)
    return size * whole * (whole + 1) // 2 + rest * (whole + 1)


def _whole_blocks_up_to(tokens: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Σ floor(n / size) for n from 1 to each of `tokens`; 0 for none."""
    whole, rest = np.divmod(np.maximum(tokens, 0) + 1, size)
    return size * whole * (whole - 1) // 2 + rest * whole
