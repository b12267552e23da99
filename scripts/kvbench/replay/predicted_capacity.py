"""Predicts an engine's capacity at an SLO over patterns of arrivals that were not run, from steps that were."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kvbench.analysis.results import Run
from kvbench.analysis.slo_capacity import BEYOND, Attained, Capacity, attained, crossing, over_repeats
from kvbench.replay.inputs import Settings, Trace
from kvbench.replay.live_run import server_settings
from kvbench.replay.live_serving import with_texts
from kvbench.replay.prediction import Served
from kvbench.replay.simulate import replay
from kvbench.workload.arrivals import due_s, pattern_of
from kvbench.workload.latencies import in_window, latencies, within

PATTERNS = 24
LONGER = 8  # times the workload's requests: over a short run requests pile up without being late yet
FINENESS = 1.04  # at most, between the rates that are replayed


@dataclass(frozen=True)
class Server:
    """An engine as the replay knows it; `workload` is needed where requests share blocks."""

    served: Served
    workload: pa.Table | None

    @property
    def run(self) -> Run:
        """The run whose requests and settings all replays have."""
        return self.served.points[0].run

    @cached_property
    def settings(self) -> Settings:
        """Its limits in force and its step time."""
        return replace(server_settings(self.run), step_time=self.served.fitted.step_time)

    @cached_property
    def trace(self) -> Trace:
        """The workload's requests in their order, arriving at 0."""
        rows = self.served.points[0].repeats[0].requests.sort_values("due_s", kind="stable")
        trace = Trace.of(rows["prompt_tokens"].to_numpy(), rows["output_tokens"].to_numpy())
        return with_texts(self.run, trace, rows["request_id"].tolist(), self.workload)

    @cached_property
    def long_trace(self) -> Trace:
        """The workload's requests LONGER times over; once where they share prefixes, as no second copy is computed."""
        once = self.trace
        if self.settings.prefix_sharing:
            return once
        return Trace.of(np.tile(once.prompt_tokens, LONGER), np.tile(once.output_tokens, LONGER))

    def within_share(self, trace: Trace, per_s: float, pattern: int, slo: Mapping[str, Any]) -> float:
        """The share of the window's requests within the limits, arriving at a rate in a pattern (`pattern_of`)."""
        given = self.run.record["settings"]["given"]
        due = due_s(len(trace), per_s, given["seed"], pattern, given["burstiness"])
        times = replay(replace(trace, arrival_ns=np.rint(due * 1e9).astype(np.int64)), self.settings).requests
        found = latencies(due, times.first_token_ns / 1e9, times.finish_ns / 1e9, trace.output_tokens)
        return float(within(found.of(in_window(due)), slo["ttft_s"], slo["tpot_s"]).mean())

    @cached_property
    def rates(self) -> NDArray[np.float64]:
        """The rates that are replayed: from half the lowest that was run to twice the highest, at equal ratios."""
        points = self.served.points
        low, high = points[0].per_s / BEYOND, points[-1].per_s * BEYOND
        return np.geomspace(low, high, 1 + int(np.ceil(np.log(high / low) / np.log(FINENESS))))


@dataclass(frozen=True)
class Predicted:
    """What is predicted of one engine.

    `each` is the capacity in requests a second in each of PATTERNS patterns of `long_trace`, None where it is not
    between `rates`. `again` and `measured` are of the requests, rates and patterns that were run, where there are two
    rates or more.
    """

    server: Server
    each: tuple[float | None, ...]
    again: Capacity | None
    measured: Capacity | None


def servers(engines: Sequence[Served], workload: pa.Table | None) -> list[Server]:
    """The engines whose step time is known."""
    return [Server(one, workload) for one in engines if one.fitted is not None]


def predict(server: Server, slo: Mapping[str, Any], progress: Callable[[int], Any] | None = None) -> Predicted:
    """The capacity in patterns 1 to PATTERNS; `progress` gets numbers of patterns."""
    each = []
    for number in range(1, PATTERNS + 1):
        each.append(_capacity(server, pattern_of(1, number), slo))
        if progress:
            progress(1)
    live = attained([point.run for point in server.served.points], slo)
    if len(live) < 2:
        return Predicted(server, tuple(each), None, None)
    return Predicted(
        server, tuple(each), over_repeats(_again(server, live, slo), slo["share"]), over_repeats(live, slo["share"])
    )


def _capacity(server: Server, pattern: int, slo: Mapping[str, Any]) -> float | None:
    """Where the share, taken to fall with the rate, falls below the one that is asked for; between two of `rates`."""
    shares: dict[float, float] = {}

    def fails(rate: float) -> bool:
        shares[rate] = server.within_share(server.long_trace, rate, pattern, slo)
        return shares[rate] < slo["share"]

    bisect_left(server.rates.tolist(), True, key=fails)
    return crossing(shares, slo["share"]).per_s


def _again(server: Server, live: Attained, slo: Mapping[str, Any]) -> dict[float, dict[tuple[int, int], float]]:
    """The shares that are predicted where `live` has measured ones."""
    return {
        rate: {key: server.within_share(server.trace, rate, pattern_of(*key), slo) for key in own}
        for rate, own in live.items()
    }


def paired(above: Iterable[float | None], below: Iterable[float | None]) -> list[float | None]:
    """The ratio of two engines' capacities in each pattern; None where one of them is not known."""
    pairs = zip(above, below, strict=True)
    return [None if one is None or other is None else one / other for one, other in pairs]
