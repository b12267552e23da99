"""The steps of a live run's timed repeats, as kv.parquet and run.json have them: when they began and what they did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kvbench.analysis.results import Run
from kvbench.errors import UserError
from kvbench.replay.live_run import PADDED

COLUMNS = ("t_ns", "repeat", "step", "running", "waiting", "scheduled_tokens", "preemptions")


@dataclass(frozen=True)
class LiveRepeat:
    """A timed repeat of R requests in S steps; ns are on CLOCK_MONOTONIC, seconds since the repeat began."""

    process: int
    repeat: int
    start_ns: int
    requests: pd.DataFrame  # `records.REQUESTS`, (R,) rows in order of arrival
    steps: pd.DataFrame  # COLUMNS of the steps that computed something, (S,) rows
    begin_ns: NDArray[np.int64]  # (S,) start of each step
    end_ns: NDArray[np.int64]  # (S,) its end, where known: for the last step of a paged engine, its start
    batch: NDArray[np.int64]  # (S,) number of the padded batch; 0 for paged engines

    @property
    def clock_ns(self) -> NDArray[np.int64]:
        """Start of each step since the repeat began, shape (S,)."""
        return self.begin_ns - self.start_ns


def timed_repeats(run: Run) -> Iterator[LiveRepeat]:
    """The timed repeats of all processes of a run of one of `live_run.MODELLED`.

    A paged engine's step begins when its scheduler has decided, and ends when the next one does. A pass of a padded
    batch is noted when it has ended; the first begins with its batch, and the last ends with it. UserError for a repeat
    without steps.
    """
    for one in run.processes:
        steps, requests = one.frame("kv", list(COLUMNS)), one.requests
        for record in one.timed():
            number = record["repeat"]
            own = steps[steps["repeat"] == number].sort_values("step", kind="stable")
            if own.empty:
                raise UserError(f"{one.folder / 'kv.parquet'}: has no step of repeat {number}; delete it and run again")
            yield _repeat(one, record, own, requests[requests["repeat"] == number])


def _repeat(run: Run, record: dict[str, Any], steps: pd.DataFrame, requests: pd.DataFrame) -> LiveRepeat:
    order = ["received_s", "due_s"] if requests["received_s"].notna().all() else ["due_s"]
    requests = requests.sort_values(order, kind="stable").reset_index(drop=True)
    computing = (steps["running"] > 0).to_numpy()  # a closing row says that everything has been returned
    kept, t_ns = steps[computing].reset_index(drop=True), steps["t_ns"].to_numpy()
    if run.engine in PADDED:
        begin, end, batch = _passes(run, record["repeat"], t_ns, computing)
    else:
        begin = t_ns[computing]
        end, batch = np.append(begin[1:], begin[-1:]), np.zeros(len(begin), np.int64)
    return LiveRepeat(run.process, record["repeat"], record["start_ns"], requests, kept, begin, end, batch)


def _passes(run: Run, repeat: int, t_ns: NDArray[np.int64], computing: NDArray[np.bool_]) -> tuple[NDArray, ...]:
    """Start, end and batch of each pass, shape (S,); after the passes of a batch comes a closing row."""
    batches = sorted((b for b in run.record["batches"] if b["repeat"] == repeat), key=lambda b: b["start_ns"])
    batch = np.searchsorted([b["start_ns"] for b in batches], t_ns[computing], side="left") - 1
    noted = t_ns[computing]
    first, last = np.diff(batch, prepend=-1) > 0, np.diff(batch, append=len(batches)) > 0
    begin = np.where(first, np.array([b["start_ns"] for b in batches])[batch], np.append(noted[:1], noted[:-1]))
    end = np.where(last, np.array([b["end_ns"] for b in batches])[batch], noted)
    return begin, end, batch
