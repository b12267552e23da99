"""Medians, bootstrap intervals, ratios and quantiles; intervals and quantiles need minimum sample sizes.

Repeats of several processes are not independent: `processes` names the process of each value, and intervals then
resample processes and the repeats within each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvbench.analysis.cluster_bootstrap import resampled_medians

MIN_REPEATS = 6
MIN_P90_SAMPLES = 10
MIN_P99_SAMPLES = 100
CONFIDENCE = 0.95
RESAMPLES = 9999
DISTURBED_BELOW = 0.9
# Suffixes of the columns of a summary.
PARTS = ("median", "ci95_low", "ci95_high", "min", "max")


@dataclass(frozen=True)
class Summary:
    """A median of `n` repeats; `low` and `high` bound it with 95% confidence, or are None below MIN_REPEATS."""

    n: int
    median: float
    low: float | None
    high: float | None
    minimum: float
    maximum: float

    def columns(self, name: str) -> dict[str, float | None]:
        """The summary as table columns that begin with `name`, which carries the unit."""
        values = (self.median, self.low, self.high, self.minimum, self.maximum)
        return {f"{name}_{part}": value for part, value in zip(PARTS, values, strict=True)}


@dataclass(frozen=True)
class Ratio:
    """Median of one arm over the median of the other, with both summaries; no interval if either arm is too small."""

    numerator: Summary
    denominator: Summary
    value: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str | None:
        """Where the interval lies with respect to 1; None without an interval."""
        if self.low is None or self.high is None:
            return None
        if self.low > 1:
            return "above 1"
        return "below 1" if self.high < 1 else "includes 1"


def summarise(values: Sequence[float], seed: int, processes: Sequence[int] | None = None) -> Summary:
    """Median of repeats with its 95% percentile-bootstrap interval.

    Raises ValueError on no values. The interval covers the true median 92 to 95% of the time at n = 6 to 20, except at
    n = 7, where it is 89% (simulated in tests/unit/analysis/test_statistics.py): with few values the bootstrap has
    little to resample. The same applies to processes. If processes differ far more than the repeats within one, the
    interval covers the true median about 93% of the time with 6 processes, 75% with 3 and 55% with 2; if they do not
    differ, at least 94%.
    """
    sample = _finite(values)
    low, high = _interval((sample,), (processes,), seed)
    return Summary(len(sample), float(np.median(sample)), low, high, float(sample.min()), float(sample.max()))


def known_columns(
    name: str, values: Sequence[float | None], seed: int, processes: Sequence[int] | None = None
) -> dict[str, float | None]:
    """`summarise(values).columns(name)`; empty cells if there are no values or one of them is unknown."""
    sample = np.array([np.nan if value is None else value for value in values], dtype=float)
    if not sample.size or np.isnan(sample).any():
        return dict.fromkeys(f"{name}_{part}" for part in PARTS)
    return summarise(sample, seed, processes).columns(name)


def ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    seed: int,
    processes: tuple[Sequence[int] | None, Sequence[int] | None] = (None, None),
) -> Ratio:
    """Ratio of the medians of two independent arms with its 95% interval (both arms resampled).

    `processes` has the processes of each arm's values. ValueError if an arm is empty or a denominator not positive.
    """
    above, below = _finite(numerators), _finite(denominators)
    if below.min() <= 0:
        raise ValueError("a ratio needs positive denominators")
    low, high = _interval((above, below), processes, seed)
    value = float(np.median(above) / np.median(below))
    arms = (summarise(sample, seed, own) for sample, own in zip((above, below), processes, strict=True))
    return Ratio(*arms, value, low, high)


def quantile(samples: Sequence[float], q: float) -> float | None:
    """Quantile `q`; None for p90 from fewer than 10 samples and for p99 from fewer than 100."""
    needed = MIN_P99_SAMPLES if q >= 0.99 else MIN_P90_SAMPLES
    return float(np.quantile(_finite(samples), q)) if len(samples) >= needed else None


def busy_share(repeat: dict[str, Any], device: str, threads: int) -> float | None:
    """Share of the time of all threads that they worked in a repeat; None on a GPU, where they are not what works."""
    return repeat["cpu_s"] / repeat["wall_s"] / threads if device == "cpu" else None


def disturbed(repeats: Sequence[dict[str, Any]], device: str, threads: int) -> list[bool | None]:
    """Which of a run's repeats (run.json records of one scope) were disturbed by other load or stood still.

    On a CPU other load takes CPU time away: a repeat is flagged if its busy share is below 0.9 of the largest of the
    run's repeats. The reference is the largest share, not the median, since load can only lower the share, and not 1,
    since an engine may leave threads idle by itself. Load during all repeats is not detected. A repeat during which the
    run was stopped is flagged wherever it ran. None if nothing can be determined: on a GPU, or for a single repeat.
    Flagged repeats are never dropped.
    """
    stopped = [repeat.get("stopped_s", 0.0) > 0.0 for repeat in repeats]  # older records do not have it
    if device != "cpu" or len(repeats) < 2:
        return [True if one else None for one in stopped]
    shares = [busy_share(repeat, device, threads) for repeat in repeats]
    return [one or share < DISTURBED_BELOW * max(shares) for one, share in zip(stopped, shares, strict=True)]


def count_disturbed(flags: Sequence[bool | None]) -> int | None:
    """The number of repeats known to be disturbed; None if that is not known of all, and none is."""
    known = sum(flag is True for flag in flags)
    return None if None in flags and not known else known


def _finite(values: Sequence[float]) -> np.ndarray:
    sample = np.asarray(values, dtype=float)
    if sample.size == 0:
        raise ValueError("no values to summarise")
    if not np.isfinite(sample).all():
        raise ValueError("values to summarise must be finite")
    return sample


def _interval(
    samples: tuple[np.ndarray, ...], processes: Sequence[Sequence[int] | None], seed: int
) -> tuple[float | None, float | None]:
    """The interval of one sample's median, or of the ratio of two samples' medians."""
    if min(len(sample) for sample in samples) < MIN_REPEATS:
        return None, None
    rng = np.random.default_rng(seed)
    if any(own is not None and len(set(own)) > 1 for own in processes):
        return _cluster_interval(samples, processes, rng)
    return _percentiles([_resampled(sample, rng) for sample in samples])


def _resampled(sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Medians of RESAMPLES samples drawn with replacement, bit for bit those of scipy.stats.bootstrap.

    Importing SciPy takes longer than all intervals of a default run; tests compare the two.
    """
    return np.median(sample[rng.integers(0, len(sample), size=(RESAMPLES, len(sample)))], axis=1)


def _cluster_interval(
    samples: tuple[np.ndarray, ...], processes: Sequence[Sequence[int] | None], rng: np.random.Generator
) -> tuple[float, float]:
    """The interval if an arm has several processes; for an arm with one process only its repeats are resampled."""
    medians = [
        resampled_medians(sample, [1] * len(sample) if own is None else own, RESAMPLES, rng)
        for sample, own in zip(samples, processes, strict=True)
    ]
    return _percentiles(medians)


def _percentiles(medians: Sequence[np.ndarray]) -> tuple[float, float]:
    """The interval of one arm's resampled medians, or of the ratio of two arms' medians."""
    values = medians[0] if len(medians) == 1 else medians[0] / medians[1]
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
