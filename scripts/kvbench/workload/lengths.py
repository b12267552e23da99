"""Distributions of prompt and output lengths in tokens, sampled by inverse CDF with integer arithmetic only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from itertools import pairwise

import numpy as np

from kvbench.errors import UserError
from kvbench.workload.draws import SCALE, stratified, stream, uniform

MAX_ROUNDS = 200


@dataclass(frozen=True)
class Lengths:
    """A distribution over first, first + 1, …: `thresholds[i]` is P(length ≤ first + i) in units of 1 / SCALE."""

    first: int
    thresholds: np.ndarray

    def at(self, u: np.ndarray) -> np.ndarray:
        """The lengths at the quantiles u / SCALE, int64."""
        return self.first + np.searchsorted(self.thresholds, u, side="right")

    @property
    def probabilities(self) -> np.ndarray:
        """P(length = first + i)."""
        return np.diff(self.thresholds, prepend=0) / SCALE


@dataclass(frozen=True)
class Pairs:
    """Independent prompt and output lengths; a pair longer than `limit` tokens is drawn again."""

    prompt: Lengths
    output: Lengths
    limit: int | None = None
    stratified: bool = False


def log_linear(percentiles: Sequence[int], lengths: Sequence[int]) -> Lengths:
    """Inverse CDF through the given percentiles, linear in the logarithm between them, rounded to whole tokens.

    The thresholds come from decimal arithmetic, which rounds identically on every machine.
    """
    thresholds: list[int] = []
    with localcontext() as context:
        context.prec = 30
        logs = [Decimal(length).ln() for length in lengths]
        for i, (low, high) in enumerate(pairwise(lengths)):
            for length in range(low, high):  # up to length + 1/2 rounds down to length
                share = ((Decimal(length) + Decimal("0.5")).ln() - logs[i]) / (logs[i + 1] - logs[i])
                percent = percentiles[i] + share * (percentiles[i + 1] - percentiles[i])
                thresholds.append(int(percent * SCALE / 100))
    return Lengths(lengths[0], np.array([*thresholds, SCALE], dtype=np.int64))


def geometric(mean: str) -> Lengths:
    """A geometric distribution from 1 on with this mean: P(length > k) = (1 − 1/mean)^k."""
    thresholds: list[int] = []
    with localcontext() as context:
        context.prec = 30
        ratio = 1 - 1 / Decimal(mean)
        above = ratio
        while above * SCALE >= 1:
            thresholds.append(int((1 - above) * SCALE))
            above *= ratio
    return Lengths(1, np.array([*thresholds, SCALE], dtype=np.int64))


@cache
def sharegpt() -> Pairs:
    """ShareGPT as in the PagedAttention paper (Kwon et al. 2023), from the trace's percentiles; pairs up to 2048."""
    percentiles = (0, 1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99, 100)
    prompt = (1, 2, 7, 9, 13, 15, 18, 24, 35, 55, 94, 133, 203, 506, 863, 1460, 2028)
    output = (1, 4, 22, 45, 101, 128, 157, 216, 271, 330, 405, 458, 525, 754, 899, 1280, 2009)
    return Pairs(log_linear(percentiles, prompt), log_linear(percentiles, output), limit=2048)


@cache
def alpaca() -> Pairs:
    """The means of the PagedAttention paper's Alpaca trace, 19.31 and 58.45; the geometric shape is our assumption."""
    return Pairs(geometric("19.31"), geometric("58.45"))


@cache
def mixed() -> Pairs:
    """Short requests with a long tail (ours): prompts of 4 to 88 tokens (mean 25.3), outputs of 3 to 36 (mean 12.6)."""
    percentiles = (0, 25, 50, 75, 90, 100)
    prompt = log_linear(percentiles, (4, 10, 18, 33, 60, 88))
    output = log_linear(percentiles, (3, 6, 10, 17, 26, 36))
    return Pairs(prompt, output, stratified=True)


KINDS: dict[str, Callable[[], Pairs]] = {"sharegpt": sharegpt, "alpaca": alpaca, "mixed": mixed}


def stream_of(name: str, seed: int) -> np.random.PCG64:
    """The stream from which the lengths of a workload of this name are drawn."""
    return stream(seed, name, "lengths")


def draw_lengths(kind: str, n: int, seed: int, name: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Prompt and output lengths of `n` requests, two int64 arrays.

    Args:
        kind: sharegpt, alpaca or mixed.
        seed, name: the seed and the workload's name; a change of either gives independent draws.
        limit: longest prompt + output; longer pairs are drawn again.

    Raises:
        UserError: hardly any pair fits within `limit`.
    """
    pairs = KINDS[kind]()
    longest = min(pairs.limit or SCALE, limit or SCALE)
    bits = stream_of(name, seed)
    first = stratified if pairs.stratified else uniform
    prompt, output = pairs.prompt.at(first(bits, n)), pairs.output.at(first(bits, n))
    for _ in range(MAX_ROUNDS):
        again = np.flatnonzero(prompt + output > longest)
        if not again.size:
            return prompt, output
        prompt[again] = pairs.prompt.at(uniform(bits, again.size))
        output[again] = pairs.output.at(uniform(bits, again.size))
    raise UserError(
        f"config.yaml: workloads.{name}: requests of kind {kind} hardly ever fit into {longest} tokens; "
        "raise max_length or use another workload"
    )
