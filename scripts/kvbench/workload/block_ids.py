"""Identities of the full blocks of prompts: what a prefix cache can find again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BlockIds:
    """Identities of the full blocks of R prompts, in order of request and place.

    They are chained: two blocks have the same identity only if all text up to their ends is equal. Request r has
    `ids[offsets[r] : offsets[r + 1]]`; a last block that is not full has no identity.
    """

    ids: NDArray[np.int64]  # (total,)
    offsets: NDArray[np.int64]  # (R + 1,)
    block_tokens: int
