"""Slots that requests hold by arithmetic, each alone: over all steps that it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvbench.kv.policies import PADDED, RESERVING
from kvbench.replay.inputs import Settings, Trace, reservation


def held_slots(trace: Trace, settings: Settings) -> float | None:
    """Slots that a running request holds, on average over all steps; a request of o tokens runs o steps.

    A reservation r is held throughout: Σ o·r / Σ o, so that long outputs weigh more. A paged request holds
    ceil(n / bs) blocks at n stored tokens, n from p to p + o − 1. Pool over this is the most that can run on average.
    None for a padded row, which depends on its batch.
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
    """Live over allocated slots where requests run one at a time and share nothing, over all steps; None if padded.

    What a replay with `max_running=1` gives where a step takes the longest prompt. A buddy allocator's rounding counts.
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
