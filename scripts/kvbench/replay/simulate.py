"""Runs a policy's kernel over a trace, one buffer of steps at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from kvbench.replay.checks import check
from kvbench.replay.collector import Collector
from kvbench.replay.inputs import Settings, Trace
from kvbench.replay.result import Replay, RequestTimes
from kvbench.replay.start import prepared
from kvbench.replay.step_time import checked_clock

CHUNK = 1 << 12  # rows: 0.5 MiB, which stays in a core's cache between the two kernels
DONE, COMPLETED, NOW = 0, 1, 2  # in every kernel's State.at


def replay(
    trace: Trace,
    settings: Settings,
    *,
    clock_ns: ArrayLike | None = None,
    keep_steps: bool = False,
    series_bins: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> Replay:
    """Replay a trace under a policy until its last request has ended.

    Args:
        clock_ns: when each step began in a live run, shape (S,), in place of the step time. Step i begins at
            clock_ns[i], also after idle time, and knows the arrivals up to then; one with nothing to do is an empty
            row. The replay ends with the last of these steps, even if requests are left (their times are -1).
        keep_steps: also return every step (120 bytes per step).
        series_bins: maximum number of bins in the downsampled series.
        progress: called with the number of requests that have ended since the last call.

    Raises:
        UserError: settings that cannot serve the trace; the message names them.
    """
    from kvbench.replay.kernels.runs import COLUMNS

    clock = checked_clock(clock_ns)
    check(trace, settings, has_clock=clock.size > 0)
    state, advance = prepared(trace, settings, clock)
    collector = Collector(settings.pool_slots, series_bins, keep_steps=keep_steps)
    rows = np.zeros((CHUNK, COLUMNS), np.int64)
    told = 0
    while not state.at[DONE]:
        collector.add(rows[: advance(rows)])
        if progress:
            progress(int(state.at[COMPLETED]) - told)
        told = int(state.at[COMPLETED])
    preempted = state.preempted if settings.policy == "paged" else np.zeros(len(trace), np.int64)
    times = RequestTimes(state.start_ns, state.first_ns, state.finish_ns, preempted)
    end_ns = int(state.at[NOW])
    return Replay(
        settings.policy, settings.pool_slots, collector.totals(end_ns), collector.series(), times, collector.steps()
    )
