"""Fits a step time to the steps of live runs: a constant, costs per sequence, token and prefill, none negative."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from kvbench.analysis.results import Run
from kvbench.replay.live_run import PADDED
from kvbench.replay.live_steps import LiveRepeat, timed_repeats
from kvbench.replay.step_time import NO_TIME, StepTime

MIN_STEPS = 20
STALL = 10  # times the fitted time
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Durations:
    """What steps computed and how long they took. Steps whose ends are not all seen are one of the S entries."""

    seconds: NDArray[np.float64]  # (S,)
    sequences: NDArray[np.int64]  # (S,)
    tokens: NDArray[np.int64]  # (S,)
    steps: NDArray[np.int64]  # (S,)
    prefills: NDArray[np.int64]  # (S,) steps of more tokens than sequences

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True)
class Fitted:
    """A step time and how well it describes the steps that it was fitted to."""

    step_time: StepTime
    steps: int
    stalls: int  # further steps that were left out
    r2: float | None  # share of the variance explained; None if all steps took equally long
    relative: tuple[float, ...]  # QUANTILES of (measured - fitted) / measured
    absolute_s: tuple[float, ...]  # QUANTILES of measured - fitted


def durations(run: Run) -> Durations:
    """The steps of all timed repeats whose durations are known, of a run of one of `live_run.MODELLED`.

    Paged engines: from one step's start to the next one's, unless the engine may have waited for an arrival in between.
    It has not if requests were left waiting, since they are unfinished work. If none were, no preempted request was
    left either, so the next step's requests are first admissions (requests.parquet: `start_s` between the two starts)
    or go on from this step: it counts if some go on. Sequences are the running requests. vLLM schedules all of them
    unless the tokens of a step run out first, but none whose last token is still computed, so that there are never more
    than tokens.

    With asynchronous scheduling the engine sees that a step has been computed when it begins the second one behind it,
    or later, if it took longer to launch the next one. A step of prompt tokens may take that long. So one that is
    followed by such a step is taken together with it.

    Padded batches: from a pass's start to its end; the first has the batch's preparation in it, the last its return. A
    pass computes all rows, also those that have ended, and a first pass the padding too.
    """
    if run.engine in PADDED:
        return pooled(_padded(one) for one in timed_repeats(run))
    return pooled(_paged(one, 1 if run.schedules_ahead else 0) for one in timed_repeats(run))


def pooled(parts: Iterable[Durations]) -> Durations:
    """The steps of several runs or repeats together."""
    parts = list(parts)
    if not parts:
        return Durations(np.zeros(0), *np.zeros((4, 0), np.int64))
    return Durations(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Durations)))


def fit(steps: Durations) -> Fitted | None:
    """The step time with the least squared error; None for fewer than MIN_STEPS steps, which determine nothing, or if
    they take no time.

    Non-negative least squares (Lawson and Hanson 1974). It predicts the mean of like steps, which is what adds up to a
    latency, so ordinary noise stays in. Pauses of the machine are counted and left out: steps of more than STALL times
    a first fit, which minimises relative errors, so that no pause weighs more than another step. Costs are whole
    nanoseconds.
    """
    if len(steps) < MIN_STEPS:
        return None
    terms = np.stack([steps.steps, steps.sequences, steps.tokens, steps.prefills], axis=1).astype(float)
    usual = terms @ _costs(terms / steps.seconds[:, None], np.ones(len(steps)))
    kept = steps.seconds <= STALL * usual
    if kept.sum() < MIN_STEPS:
        return None
    terms, seconds = terms[kept], steps.seconds[kept]
    constant, per_sequence, per_token, prefill = _costs(terms, seconds)
    found = StepTime.of(constant, per_token, per_sequence, prefill)
    return None if found == NO_TIME else _described(found, terms, seconds, int((~kept).sum()))


def _costs(terms: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Seconds per unit of each column, 0 for one of zeros; columns are scaled alike, since tokens are far more than
    sequences.
    """
    from scipy.optimize import nnls

    scale = np.maximum(terms.max(axis=0), np.finfo(float).tiny)
    return nnls(terms / scale, seconds)[0] / scale


def _described(found: StepTime, terms: NDArray[np.float64], seconds: NDArray[np.float64], stalls: int) -> Fitted:
    residual = seconds - terms @ (found.costs_ns / 1e9)
    spread = float(((seconds - seconds.mean()) ** 2).sum())
    return Fitted(
        step_time=found,
        steps=int(terms[:, 0].sum()),
        stalls=stalls,
        r2=1 - float((residual**2).sum()) / spread if spread else None,
        relative=_quantiles(residual / seconds),
        absolute_s=_quantiles(residual),
    )


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(values, QUANTILES))


def _paged(one: LiveRepeat, ahead: int) -> Durations:
    """A step is computed until the start of the one `1 + ahead` behind it, where that is seen."""
    begin, running, tokens = one.begin_ns, *(one.steps[name].to_numpy() for name in ("running", "scheduled_tokens"))
    ended = np.arange(max(len(begin) - 1 - ahead, 0))
    last = ended[tokens[ended + 1] <= running[ended + 1]] if ahead else ended
    first = np.append(0, last[:-1] + 1)[: len(last)]
    if ahead:  # when the first one began to be computed is not seen
        first, last = first[1:], last[1:]
    admitted = _admitted(one)
    waits = (one.steps["waiting"].to_numpy()[:-1] == 0) & (running[1:] <= admitted)
    waited = np.append(0, np.cumsum(waits))
    known = waited[last + ahead + 1] == waited[first + ahead]
    sequences = np.minimum(running - _complete(one, admitted) if ahead else running, tokens)
    sums = (_sums(values, first, last) for values in (sequences, tokens, tokens > 0, tokens > sequences))
    found = Durations((begin[last + ahead + 1] - begin[first + ahead]) / 1e9, *sums)
    return Durations(*(getattr(found, field.name)[known & (found.steps > 0)] for field in fields(found)))


def _admitted(one: LiveRepeat) -> NDArray[np.int64]:
    """How many requests each step but the first admits that were never admitted before, shape (S - 1,)."""
    starts = one.start_ns + np.sort(np.rint(one.requests["start_s"].to_numpy() * 1e9))
    return np.diff(np.searchsorted(starts, one.begin_ns, side="right"))


def _complete(one: LiveRepeat, admitted: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many running requests get no token in a step because their last one is still computed, shape (S,).

    They do not run in the next step. One that is resumed there hides one of them.
    """
    running, preemptions = (one.steps[name].to_numpy() for name in ("running", "preemptions"))
    left = running[:-1] + admitted - np.diff(preemptions) - running[1:]
    return np.append(np.clip(left, 0, running[:-1]), 0)


def _sums(values: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of `values` from each `first` to its `last`."""
    total = np.append(0, np.cumsum(values))
    return total[last + 1] - total[first]


def _padded(one: LiveRepeat) -> Durations:
    """Rows and width of each batch are those of the requests that began with it."""
    first = np.flatnonzero(np.diff(one.batch, prepend=-1) > 0)
    starts = np.rint(one.requests["start_s"].to_numpy() * 1e9)
    prompts = one.requests["prompt_tokens"].to_numpy()
    mine = [prompts[starts == clock] for clock in one.clock_ns[first]]
    rows, width = (np.array([of(batch) for batch in mine], np.int64) for of in (len, max))
    place = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(one.batch))))
    tokens = rows[place]
    tokens[first] = rows * width
    each = np.ones(len(tokens), np.int64)
    return Durations((one.end_ns - one.begin_ns) / 1e9, rows[place], tokens, each, (tokens > rows[place]).astype(int))
