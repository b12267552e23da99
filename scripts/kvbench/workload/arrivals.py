"""When requests arrive: gaps of unit mean, drawn once by seed and divided by the rate, so that every rate and engine
gets the same pattern.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvbench.workload.draws import SCALE, exponential, stream, uniform

TICKS = 1 << 32  # per mean gap: the sum for 2^31 requests still fits an int64


MOST_REPEATS = 10_000


def pattern_of(process: int, repeat: int) -> int:
    """The number of the pattern of a repeat, both counted from 1: repeats of all processes have different ones.

    An interval over repeats then covers the chance of the pattern too.
    """
    return (process - 1) * MOST_REPEATS + repeat


def due_s(requests: int, per_s: float, seed: int, pattern: int, burstiness: float = 1.0) -> NDArray[np.float64]:
    """Arrival times in seconds, shape (requests,), increasing; the first request comes after the first gap."""
    bits = stream(seed, "arrivals", str(pattern))
    if burstiness == 1:
        return poisson_s(bits, requests, per_s)
    return np.cumsum(gamma_gaps(bits, requests, burstiness)) / per_s


def poisson_s(bits: np.random.PCG64, requests: int, per_s: float) -> NDArray[np.float64]:
    """Arrival times of a Poisson process in seconds, shape (requests,), the same on every machine.

    The gaps are integers; only two divisions follow, which IEEE 754 rounds identically everywhere.
    """
    return np.cumsum(exponential(bits, requests) // (SCALE // TICKS)) / TICKS / per_s


def gamma_gaps(bits: np.random.PCG64, requests: int, burstiness: float) -> NDArray[np.float64]:
    """Gaps of mean 1 from a gamma distribution with shape `burstiness`, shape (requests,).

    Below 1 arrivals come in bursts, above 1 they are more even; 1 is a Poisson process. vLLM's serving benchmark means
    the same by its `--burstiness`.
    """
    from scipy.stats import gamma

    at = (uniform(bits, requests) + 0.5) / SCALE
    return gamma.ppf(at, burstiness, scale=1 / burstiness)
