"""Predicts latencies of engines at rates of arrival from step times that were fitted to their live runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from kvbench.analysis.results import Run
from kvbench.analysis.saturation import growth, growth_of
from kvbench.analysis.serving_summary import Summary, medians, summary
from kvbench.replay.fit import Durations, Fitted, durations, fit, pooled
from kvbench.replay.inputs import Settings, Trace
from kvbench.replay.live_run import MODELLED, server_settings, unmodelled
from kvbench.replay.live_serving import with_texts
from kvbench.replay.live_steps import LiveRepeat, timed_repeats
from kvbench.replay.result import RequestTimes
from kvbench.replay.simulate import replay
from kvbench.replay.step_time import StepTime
from kvbench.workload.rates import rate_of

log = logging.getLogger(__name__)

GRID_RATES = 12
BEYOND = 1.5  # the grid ends at this times the highest rate that was run
Slo = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A run whose requests arrived at a rate."""

    run: Run
    per_s: float

    @cached_property
    def repeats(self) -> tuple[LiveRepeat, ...]:
        """Its timed repeats."""
        return tuple(timed_repeats(self.run))

    @cached_property
    def steps(self) -> Durations:
        """What its steps took."""
        return durations(self.run)

    @cached_property
    def saturated(self) -> bool | None:
        """Whether requests arrived faster than they were served; None if the run is too short to tell."""
        return growth_of(one.requests for one in self.repeats).saturated

    def measured(self, slo: Slo) -> Summary:
        """Medians over its timed repeats."""
        names = ("due_s", "first_token_s", "finish_s", "output_tokens")
        return medians([summary(*(one.requests[name].to_numpy() for name in names), slo) for one in self.repeats])


@dataclass(frozen=True)
class Served:
    """An engine's points on one model and workload, slowest arrivals first."""

    points: tuple[Point, ...]

    @cached_property
    def usable(self) -> list[Point]:
        """The points to fit step times to: saturated ones, with the longest queues, have steps like no other."""
        return [point for point in self.points if not point.saturated]

    @cached_property
    def fitted(self) -> Fitted | None:
        """The step time of all usable points together; None if they have too few steps."""
        return _fitted(self.usable)


@dataclass(frozen=True)
class Prediction:
    """A rate to replay: the patterns of arrivals of `source`, at the rate `per_s`.

    The step time is fitted to `fit_points` points; it is None if they have too few steps.
    """

    source: Point
    per_s: float
    is_point: bool
    fitted: Fitted | None
    fit_points: int


def plan(engines: Sequence[Served]) -> list[Prediction]:
    """The replays for the engines of one model and workload.

    First an engine's live points, each with a step time fitted to its other points, so that the error is that of a rate
    which was not run. Then GRID_RATES rates at equal ratios from the lowest to BEYOND the highest, with a step time
    fitted to all points. Saturated points are left out of every fit.
    """
    found = []
    for one in engines:
        for point in one.points:
            others = [other for other in one.usable if other is not point]
            found.append(Prediction(point, point.per_s, True, _fitted(others), len(others)))
        grid = _grid(one.points)
        found += [Prediction(one.points[0], rate, False, one.fitted, len(one.usable)) for rate in grid]
    return found


def served(runs: Sequence[Run]) -> list[Served]:
    """The engines of one model and workload that were run at rates; what a replay cannot serve is logged."""
    found = []
    for engine in MODELLED:
        points = [Point(run, rate) for run in runs if run.engine == engine and (rate := rate_of(run.point)) is not None]
        if points and (what := unmodelled(points[0].run)):
            log.warning("%s: the replay does not model %s; nothing is predicted", points[0].run.folder, what)
        elif points:
            found.append(Served(tuple(sorted(points, key=lambda point: point.per_s))))
    return found


def _fitted(points: Sequence[Point]) -> Fitted | None:
    return fit(pooled(point.steps for point in points))


def predicted(one: Prediction, step_time: StepTime, workload: pa.Table | None, slo: Slo) -> tuple[Summary, bool | None]:
    """Medians over the repeats, each replayed with its own pattern of arrivals, and whether it is saturated."""
    settings = server_settings(one.source.run)
    results, spans = [], []
    for trace, times in _replays(one, settings, step_time, workload):
        clocks = (trace.arrival_ns, times.start_ns, times.first_token_ns, times.finish_ns)
        due, start, first, finish = (ns / 1e9 for ns in clocks)
        results.append(summary(due, first, finish, trace.output_tokens, slo))
        spans.append((due, start, finish, trace.output_tokens))
    return medians(results), growth(spans).saturated


def _replays(
    one: Prediction, settings: Settings, step_time: StepTime, workload: pa.Table | None
) -> Iterator[tuple[Trace, RequestTimes]]:
    """A pattern is drawn once with unit rate, so that at another rate the same requests arrive at times in proportion.

    With equal seeds and repeats this is `workload.arrivals.due_s`, up to a nanosecond.
    """
    own, scale = replace(settings, step_time=step_time), one.source.per_s / one.per_s
    for repeat in one.source.repeats:
        rows = repeat.requests.sort_values("due_s", kind="stable")
        lengths = (rows[name].to_numpy() for name in ("prompt_tokens", "output_tokens"))
        trace = Trace.of(*lengths, rows["due_s"].to_numpy() * scale)
        trace = with_texts(one.source.run, trace, rows["request_id"].tolist(), workload)
        yield trace, replay(trace, own).requests


def _grid(points: Sequence[Point]) -> list[float]:
    rates = np.geomspace(points[0].per_s, BEYOND * points[-1].per_s, GRID_RATES)
    run = [point.per_s for point in points]
    return [float(rate) for rate in rates if not np.isclose(rate, run).any()]
