"""Latencies of requests that arrive over time: the definitions that measured and predicted tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd

SETTLING_SHARE = 0.1  # of the arrivals' span, in which the queue is still filling


@dataclass(frozen=True)
class Latencies:
    """Seconds of each of R requests, arrays of shape (R,)."""

    ttft_s: NDArray[np.float64]  # first token - due, so that queueing counts
    tpot_s: NDArray[np.float64]  # (last - first token) / (o - 1); NaN where o is 1
    e2e_s: NDArray[np.float64]  # last token - due
    normalized_s: NDArray[np.float64]  # e2e / o, seconds per output token

    def of(self, chosen: NDArray[np.bool_]) -> Latencies:
        """Those of the requests for which `chosen`, shape (R,), is true."""
        return Latencies(self.ttft_s[chosen], self.tpot_s[chosen], self.e2e_s[chosen], self.normalized_s[chosen])

    def known(self, name: str) -> NDArray[np.float64]:
        """The values of one of them that exist: a request of one token has no TPOT."""
        values = getattr(self, name)
        return values[~np.isnan(values)]


def latencies(due_s: ArrayLike, first_token_s: ArrayLike, finish_s: ArrayLike, output_tokens: ArrayLike) -> Latencies:
    """The latencies of R requests from their times in seconds on one clock and their output tokens, each (R,).

    TTFT and TPOT are those of vLLM's serving benchmark; normalized latency is that of Orca (Yu et al. 2022) and of the
    PagedAttention paper (Kwon et al. 2023, section 6.1), whose metric is its mean over requests. ValueError if a
    request has no output token.
    """
    due, first, last = (np.asarray(values, float) for values in (due_s, first_token_s, finish_s))
    tokens = np.asarray(output_tokens)
    if (tokens < 1).any():
        raise ValueError("a request without an output token has no latency")
    gaps = np.where(tokens > 1, tokens - 1, np.nan)
    return Latencies(first - due, (last - first) / gaps, last - due, (last - due) / tokens)


def of_requests(requests: pd.DataFrame) -> Latencies:
    """The latencies of rows of `records.REQUESTS` with arrivals."""
    return latencies(*(requests[name].to_numpy() for name in ("due_s", "first_token_s", "finish_s", "output_tokens")))


def in_window(due_s: ArrayLike) -> NDArray[np.bool_]:
    """Whether each request counts, shape (R,): it is due after the first tenth of the time from first to last arrival.

    If all requests are due at once, all of them count.
    """
    due = np.asarray(due_s, float)
    if not due.size:
        return np.zeros(0, bool)
    return due >= due.min() + SETTLING_SHARE * (due.max() - due.min())


def completed_per_s(due_s: ArrayLike, finish_s: ArrayLike) -> float:
    """Requests over the seconds from the first arrival to the last token, from times of shape (R,)."""
    return len(np.asarray(due_s)) / float(np.max(finish_s) - np.min(due_s))


def within(found: Latencies, ttft_s: float, tpot_s: float) -> NDArray[np.bool_]:
    """Whether each request is within both limits in seconds, shape (R,); without a TPOT only the TTFT counts."""
    return (found.ttft_s <= ttft_s) & ~(found.tpot_s > tpot_s)
