"""How many requests of a workload run at once in a pool that a queue keeps full: by arithmetic, and by replay."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kvbench.errors import UserError
from kvbench.replay import Replay, Settings, Trace
from kvbench.replay import replay as run_replay
from kvbench.replay.held import held_slots
from kvbench.replay.inputs import reservation
from kvbench.replay.window import full_queue

POLICIES = ("reserve-max", "power-of-two", "oracle", "hf-batch", "paged")
BINS = 1000


@dataclass(frozen=True)
class Fit:
    """What a policy makes of a pool. Means of a request are over requests, means held over all steps that it runs."""

    policy: str
    mean_slots: float | None  # a request's slots at its largest; None for a padded row, which depends on its batch
    held_slots: float | None
    requests_at_once: float  # in the replay, mean over the steps of a full queue
    pool_held_share: float
    live_share: float
    steps_per_request: float
    preemptions_per_request: float
    step_s: float | None
    limited_by: str  # memory, max_running, max_step_tokens or max_length


def mean_slots(trace: Trace, settings: Settings) -> float | None:
    """Mean over requests of the slots that each holds at its largest."""
    return None if settings.policy == "hf-batch" else float(reservation(trace, settings).mean())


def fit(trace: Trace, settings: Settings, at: str) -> Fit:
    """Replay a full queue under a policy; `settings` with a step time gives the mean step.

    UserError where the requests are too few for the queue to stay full.
    """
    found = run_replay(trace, settings, series_bins=BINS)
    window = _full_queue(found, at)
    steps = int(found.series.steps[window].sum())
    sums = {name: int(found.series.sums[name][window].sum()) for name in ("running", "refused", "unused", "live")}
    allocated = steps * settings.pool_slots - sums["unused"]
    times = found.series.t_ns
    timed = settings.step_time.constant_ns or settings.step_time.per_token_ns
    return Fit(
        policy=settings.policy,
        mean_slots=mean_slots(trace, settings),
        held_slots=held_slots(trace, settings),
        requests_at_once=sums["running"] / steps,
        pool_held_share=allocated / (steps * settings.pool_slots),
        live_share=sums["live"] / allocated,
        steps_per_request=found.totals.running / len(trace),
        preemptions_per_request=found.totals.preemptions / len(trace),
        step_s=float(times[window.stop] - times[window.start]) / steps / 1e9 if timed else None,
        limited_by=_limit(trace, settings, found, sums["refused"] / steps, sums["running"] / steps),
    )


def _full_queue(found: Replay, at: str) -> slice:
    """The bins of a full queue; UserError where there are none."""
    bins = full_queue(found)
    if bins is None:
        raise UserError(
            f"config.yaml: {at}.requests: {len(found.requests.start_ns)} are too few to keep a queue before "
            f"{found.totals.max_running} that {found.policy} runs at once; raise it to "
            f"{found.totals.max_running * 8} or more"
        )
    return bins


def _limit(trace: Trace, settings: Settings, found: Replay, refused_share: float, running: float) -> str:
    """What keeps more requests from running: memory, one of the scheduler's limits, or a padded batch's longest row."""
    if settings.policy == "hf-batch":
        if refused_share < 0.5:
            return "max_running"
        wider = run_replay(trace, replace(settings, max_length=None), series_bins=BINS)
        return "memory" if wider.totals.steps == found.totals.steps else "max_length"
    if refused_share >= 0.5:
        return "memory"
    return "max_running" if running > 0.95 * settings.max_running else "max_step_tokens"
