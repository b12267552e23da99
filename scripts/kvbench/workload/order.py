"""The order of requests: the first few represent the whole, the rest stay as drawn."""

from __future__ import annotations

import numpy as np

HEAD = 8


def representative_first(total_tokens: np.ndarray) -> np.ndarray:
    """An order of the requests whose first 4 and first 8 are spread over the lengths, so that they represent the whole.

    Sequential engines run only a workload's first requests. Sorted by length, the requests are split into quarters:
    the first four are those nearest to the mean of each quarter. The next four are the same for the eighths that have
    none yet. All others keep the order in which they were drawn. (If the whole workload were ordered like that, every
    padded batch would contain a long request and take longer.)

    Args:
        total_tokens: prompt + output of each request.

    Returns:
        Indices into `total_tokens`.
    """
    by_length = np.argsort(total_tokens, kind="stable")
    head: list[int] = []
    for strata, sequence in ((4, (2, 1, 3, 0)), (HEAD, range(HEAD))):
        parts = np.array_split(by_length, strata)
        for part in (parts[i] for i in sequence):
            if len(head) < HEAD and part.size and not set(part.tolist()) & set(head):
                head.append(_nearest_mean(part, total_tokens))
    rest = np.setdiff1d(np.arange(len(total_tokens)), head)
    return np.concatenate([np.array(head, dtype=np.int64), rest])


def _nearest_mean(part: np.ndarray, total_tokens: np.ndarray) -> int:
    """The member whose length is nearest to the mean of its part; integers only, so ties do not depend on rounding."""
    lengths = total_tokens[part].astype(np.int64)
    return int(part[np.argmin(np.abs(lengths * len(part) - lengths.sum()))])
