"""The largest rate at which enough requests keep the limits: where it lies between the rates that were run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kvbench.analysis.arriving import repeats_of
from kvbench.analysis.results import Run
from kvbench.workload.latencies import within

BRACKETED, ABOVE, BELOW = "between two rates", "above the highest rate", "below the lowest rate"
BEYOND = 2.0  # factor by which a search goes beyond the rates that were run
DIGITS = 3  # of a rate that a search adds

# Share of requests that keep the limits, by rate and by (process, repeat).
Attained = Mapping[float, Mapping[tuple[int, int], float]]


@dataclass(frozen=True)
class Capacity:
    """Where the share of requests that keep the limits falls below `share`, in requests a second.

    `keeps` is the largest rate run up to which every rate keeps it, `fails` the smallest that does not (None: none).
    `per_s` lies between them, by a straight line through their shares; None where one of the two is missing.
    """

    per_s: float | None
    keeps: float | None
    fails: float | None

    @property
    def where(self) -> str:
        """Where it lies, in words."""
        if self.keeps is None:
            return BELOW
        return ABOVE if self.fails is None else BRACKETED


def crossing(shares: Mapping[float, float], share: float) -> Capacity:
    """The capacity from the share attained at each rate; ValueError without a rate."""
    if not shares:
        raise ValueError("no rates to look between")
    keeps = None
    for rate in sorted(shares):
        if shares[rate] < share:
            if keeps is None:
                return Capacity(None, None, rate)
            part = (shares[keeps] - share) / (shares[keeps] - shares[rate])
            return Capacity(keeps + part * (rate - keeps), keeps, rate)
        keeps = rate
    return Capacity(None, keeps, None)


def attained(runs: Sequence[Run], slo: Mapping[str, Any]) -> dict[float, dict[tuple[int, int], float]]:
    """The share of requests within the limits, by rate and timed repeat, of an engine's runs at rates."""
    found: dict[float, dict[tuple[int, int], float]] = {}
    for run in runs:
        rate = run.record["settings"]["given"]["requests_per_s"]
        if rate != "file":
            found[float(rate)] = {
                (one.process, one.repeat): float(within(one.latencies, slo["ttft_s"], slo["tpot_s"]).mean())
                for one in repeats_of(run)
            }
    return {rate: own for rate, own in found.items() if own}


def over_repeats(found: Attained, share: float) -> Capacity:
    """The capacity from each rate's mean share over its repeats."""
    return crossing({rate: sum(own.values()) / len(own) for rate, own in found.items()}, share)


def of_repeats(found: Attained, share: float) -> dict[tuple[int, int], Capacity]:
    """The capacity in each repeat: a repeat has the same pattern of arrivals at every rate."""
    common = set.intersection(*(set(own) for own in found.values()))
    return {key: crossing({rate: own[key] for rate, own in found.items()}, share) for key in sorted(common)}


def next_rate(found: Attained, share: float) -> float | None:
    """The rate to run next: half way between two that enclose the capacity, or twice or half the outermost.

    None if such a rate has been run already.
    """
    known = over_repeats(found, share)
    if known.keeps is None:
        wanted = known.fails / BEYOND
    else:
        wanted = known.keeps * BEYOND if known.fails is None else (known.keeps + known.fails) / 2
    rounded = float(f"{wanted:.{DIGITS}g}")
    return None if rounded in found else rounded
