"""Random numbers that are the same on every machine and with every numpy: raw PCG64 output, integers only.

numpy guarantees that the streams of its bit generators and SeedSequence never change, but not those of Generator's
methods, and floating-point logarithms may differ in the last bit between CPUs. So this module uses neither.
"""

from __future__ import annotations

import zlib

import numpy as np

BITS = 48
SCALE = 1 << BITS


def stream(seed: int, *labels: str) -> np.random.PCG64:
    """An independent stream for each combination of seed and labels."""
    return np.random.PCG64(np.random.SeedSequence([seed, *(zlib.crc32(label.encode()) for label in labels)]))


def uniform(bits: np.random.PCG64, n: int) -> np.ndarray:
    """`n` integers uniform in [0, SCALE), int64."""
    return (bits.random_raw(n) >> np.uint64(64 - BITS)).astype(np.int64)


def below(bits: np.random.PCG64, limit: int, n: int) -> np.ndarray:
    """`n` integers uniform in [0, limit), int64; biased by less than limit / 2^48."""
    return uniform(bits, n) % limit


def permutation(bits: np.random.PCG64, n: int) -> np.ndarray:
    """A random order of 0 … n−1."""
    return np.argsort(bits.random_raw(n), kind="stable")


def stratified(bits: np.random.PCG64, n: int) -> np.ndarray:
    """`n` integers in [0, SCALE), one from each of n equal strata, in random order, so that small samples have stable
    means; from 2^14 on they are not stratified.
    """
    rank = permutation(bits, n)
    return (rank * SCALE + uniform(bits, n)) // n if n < 1 << 14 else uniform(bits, n)


def exponential(bits: np.random.PCG64, n: int) -> np.ndarray:
    """`n` integers, exponential with mean SCALE, int64; needs only comparisons, no logarithm.

    Von Neumann, Various techniques used in connection with random digits (1951): draw u1 ≥ u2 ≥ … until one is larger.
    If the number of draws is odd, u1 is the fractional part, exponential within [0, 1); otherwise 1 is added to the
    whole part and the draw is repeated.
    """
    whole, part = np.zeros(n, np.int64), np.zeros(n, np.int64)
    open_ = np.arange(n)
    while open_.size:
        first = uniform(bits, open_.size)
        odd = _falls_oddly(bits, first)
        part[open_[odd]] = first[odd]
        open_ = open_[~odd]
        whole[open_] += 1
    return whole * SCALE + part


def _falls_oddly(bits: np.random.PCG64, first: np.ndarray) -> np.ndarray:
    """Whether the decreasing run that begins with each of `first` has an odd number of members."""
    odd, last, falling = np.ones(first.size, bool), first, np.arange(first.size)
    while falling.size:
        following = uniform(bits, falling.size)
        on = following <= last
        falling, last = falling[on], following[on]
        odd[falling] = ~odd[falling]
    return odd
