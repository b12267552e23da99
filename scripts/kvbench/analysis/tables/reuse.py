"""What one repeat computed again or did not need to compute: preemptions, prefix hits, shared blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd


def sharing_facts(steps: pd.DataFrame, requests: pd.DataFrame) -> dict[str, float | None]:
    """Blocks saved by sharing and prompt tokens found in the cache, from a repeat's steps and requests.

    `saved_share` is 1 − Σ allocated / Σ unshared over the steps, `saved_largest_share` the largest share in one step.
    None if nothing was allocated in the repeat or, for hits, if the engine does not count them.
    """
    unshared = steps["unshared"]
    saved = (unshared - steps["allocated"])[unshared > 0]
    cached = requests["cached_tokens"]
    hits = cached.sum() / requests["prompt_tokens"].sum() if cached.notna().all() else None
    return {
        "saved_share": saved.sum() / unshared.sum() if len(saved) else None,
        "saved_largest_share": (saved / unshared).max() if len(saved) else None,
        "prefix_hit_tokens": steps["prefix_hit_tokens"].max(),
        "prefix_hit_share_of_prompts": hits,
    }


def preemption_facts(steps: pd.DataFrame, requests: pd.DataFrame, preemptions: int) -> dict[str, float]:
    """Preemptions and the tokens recomputed because of them; NaN if there are no steps.

    A request needs p + o − 1 computed tokens, minus those found in the cache when it was first admitted. Tokens that a
    preempted request finds in the cache when it resumes are not recomputed and so not counted.
    """
    needed = (requests["prompt_tokens"] + requests["output_tokens"] - 1).sum() - requests["cached_tokens"].fillna(
        0
    ).sum()
    computed = steps["scheduled_tokens"].sum() if len(steps) else np.nan
    return {
        "preemptions_per_request": preemptions / len(requests),
        "preempted_requests_share": (requests["preemptions"].fillna(0) > 0).mean(),
        "computed_tokens": computed,
        "recomputed_tokens": computed - needed,
        "recomputed_share_of_computed": (computed - needed) / computed if computed else 0.0,
    }
