"""Computes analytically the slots that a request holds, averaged over all steps in which it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.policies import PADDED, RESERVING
from kvbench.replay.inputs import Settings, Trace, reservation


def held_slots(trace: Trace, settings: Settings) -> float | None:
    """Slots that a running request holds, averaged over all steps; a request with o output tokens runs o steps.

    A reservation of r slots is held throughout: Σ o·r / Σ o, so long outputs weigh more. A paged request holds
    ceil(n / bs) blocks of bs slots at n stored tokens, n from p to p + o − 1. The pool divided by the result is the
    largest mean number of running requests. None for padded policies, where a row depends on its batch.
    """
    if settings.policy in PADDED:
        return None
    output = trace.output_tokens
    if settings.policy == "paged":
        blocks = _blocks_up_to(trace.final_tokens, settings.block_size)
        held = (blocks - _blocks_up_to(trace.prompt_tokens - 1, settings.block_size)) * settings.block_size
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
    stored = output * trace.prompt_tokens + output * (output - 1) // 2
    if settings.policy in RESERVING and settings.allocator == "buddy":
        held = output << np.ceil(np.log2(reservation(trace, settings))).astype(np.int64)
        return float(stored.sum() / held.sum())
    return float(stored.sum() / output.sum() / held_slots(trace, settings))


def _blocks_up_to(tokens: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Σ ceil(n / size) for n from 1 to each of `tokens`."""
    whole, rest = np.divmod(tokens, size)
    return size * whole * (whole + 1) // 2 + rest * (whole + 1)
