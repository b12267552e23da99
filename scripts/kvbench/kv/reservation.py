"""The slots that a reservation policy takes for a request, from admission to completion."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.kv.policies import RESERVING


def reserved_for(policy: str, prompt_tokens: ArrayLike, output_tokens: ArrayLike, max_length: int) -> NDArray[np.int64]:
    """Slots that each request reserves under a policy of `RESERVING`, in the shape of the tokens, before any rounding.

    The PagedAttention paper's three Orca baselines (Kwon et al. 2023, section 6.1): the maximum length; the output
    rounded up to a power of two, at most the maximum length; exactly what will be stored. The last generated token is
    never stored.

    Raises:
        ValueError: the policy reserves nothing.
    """
    prompt, output = np.asarray(prompt_tokens, np.int64), np.asarray(output_tokens, np.int64)
    if policy not in RESERVING:
        raise ValueError(f"{policy} reserves nothing; use one of {', '.join(RESERVING)}")
    if policy == "reserve-max":
        return np.full_like(prompt, max_length)
    if policy == "power-of-two":
        assumed = np.int64(1) << np.ceil(np.log2(output)).astype(np.int64)
        return np.minimum(prompt + assumed - 1, max_length)
    return prompt + output - 1
