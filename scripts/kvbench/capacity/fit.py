"""How many requests of a workload run at once while a queue keeps the pool full, by arithmetic and by replay."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kvbench.capacity.held import paged_blocks, reserved_bytes
from kvbench.capacity.memory import Room
from kvbench.errors import UserError
from kvbench.replay import Replay, Settings, Trace
from kvbench.replay import replay as run_replay
from kvbench.replay.held import held_slots
from kvbench.replay.inputs import reservation
from kvbench.replay.step_time import NO_TIME
from kvbench.replay.window import full_queue

POLICIES = ("reserve-max", "power-of-two", "oracle", "hf-batch", "paged")
BINS = 1000


@dataclass(frozen=True)
class Fit:
    """The result of a policy. `mean_slots` is a mean over requests, `held_slots` over all steps of all requests.

    Where layers keep different tokens, what comes from the replay is None for all policies but `paged`.
    """

    policy: str
    mean_slots: (
        float | None
    )  # of each request's largest number of slots; None for padded rows, which depend on their batch
    held_slots: float | None
    requests_at_once: float | None = None  # in the replay, mean over the steps with a full queue
    pool_held_share: float | None = None
    live_share: float | None = None
    steps_per_request: float | None = None
    preemptions_per_request: float | None = None
    step_s: float | None = None
    limited_by: str | None = None  # memory, max_running, max_step_tokens or max_context

    @property
    def replayed(self) -> bool:
        """Whether a replay gave the number of requests at once."""
        return self.requests_at_once is not None


def mean_slots(trace: Trace, settings: Settings) -> float | None:
    """Mean over requests of the largest number of slots that each holds; None for padded rows."""
    return None if settings.policy == "hf-batch" else float(reservation(trace, settings).mean())


def fit_of_groups(trace: Trace, settings: Settings, room: Room) -> Fit:
    """The arithmetic alone, in slots of one layer: for a model whose layers keep different tokens.

    A reservation of r tokens is a row in each layer, of the window in layers that have one.
    """
    if settings.policy == "hf-batch":
        return Fit(settings.policy, None, None)
    if settings.policy == "paged":
        page = room.block_bytes(settings.block_size) // room.slot_bytes
        mean, held = (page * blocks for blocks in paged_blocks(trace, room.paging, settings.block_size))
        return Fit(settings.policy, mean, held)
    slots = reserved_bytes(room, reservation(trace, settings)) // room.slot_bytes
    held = (slots * trace.output_tokens).sum() / trace.output_tokens.sum()
    return Fit(settings.policy, float(slots.mean()), float(held))


def fit_of_tables(trace: Trace, settings: Settings, room: Room, at: str) -> Fit:
    """The arithmetic, and a replay of vLLM's block tables: `paged` for a model whose layers keep different tokens.

    The replay counts slots of a page, in which the layers that a table lacks count with the others.
    """
    known = fit_of_groups(trace, settings, room)
    return replace(fit(trace, settings, at), mean_slots=known.mean_slots, held_slots=known.held_slots)


def fit(trace: Trace, settings: Settings, at: str) -> Fit:
    """Replay a full queue under a policy; with a step time in `settings`, also gives the mean duration of a step.

    UserError if there are too few requests to keep the queue full.
    """
    found = run_replay(trace, settings, series_bins=BINS)
    window = _full_queue(found, at)
    steps = int(found.series.steps[window].sum())
    sums = {name: int(found.series.sums[name][window].sum()) for name in ("running", "refused", "unused", "live")}
    allocated = steps * settings.pool_slots - sums["unused"]
    times = found.series.t_ns
    return Fit(
        policy=settings.policy,
        mean_slots=mean_slots(trace, settings),
        held_slots=held_slots(trace, settings),
        requests_at_once=sums["running"] / steps,
        pool_held_share=allocated / (steps * settings.pool_slots),
        live_share=sums["live"] / allocated,
        steps_per_request=found.totals.running / len(trace),
        preemptions_per_request=found.totals.preemptions / len(trace),
        step_s=float(times[window.stop] - times[window.start]) / steps / 1e9 if settings.step_time != NO_TIME else None,
        limited_by=_limit(trace, settings, found, sums["refused"] / steps, sums["running"] / steps),
    )


def _full_queue(found: Replay, at: str) -> slice:
    """The bins with a full queue; UserError if there are none."""
    bins = full_queue(found)
    if bins is None:
        raise UserError(
            f"config.yaml: {at}.requests: {len(found.requests.start_ns)} requests are too few: up to "
            f"{found.totals.max_running} run at once under {found.policy} and would empty the queue; raise it to "
            f"{found.totals.max_running * 8} or more"
        )
    return bins


def _limit(trace: Trace, settings: Settings, found: Replay, refused_share: float, running: float) -> str:
    """What limits the number of running requests: memory, a limit of the scheduler, or the longest row of a batch."""
    if settings.policy == "hf-batch":
        if refused_share < 0.5:
            return "max_running"
        wider = run_replay(trace, replace(settings, max_length=None, max_context=None), series_bins=BINS)
        return "memory" if wider.totals.steps == found.totals.steps else "max_context"
    if refused_share >= 0.5:
        return "memory"
    return "max_running" if running > 0.95 * settings.max_running else "max_step_tokens"
