"""Adds up the rows that a kernel writes, without keeping them unless every step is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kvbench.replay.result import COLUMNS, FREE, SUMMED, Series, Steps, Totals


class Collector:
    """Takes chunks of rows, shape (n, `runs.COLUMNS`), and keeps what a Replay needs."""

    def __init__(self, pool_slots: int, bins: int, *, keep_steps: bool) -> None:
        from kvbench.replay.kernels.runs import SUMS, WIDTH

        self.pool_slots = pool_slots
        self.kept: list[NDArray[np.int64]] | None = [] if keep_steps else None
        self.table = np.zeros((2 * ((bins + 1) // 2), SUMS), np.int64)  # t_ns, steps, SUMMED, FREE
        self.at = np.zeros(5, np.int64)
        self.at[WIDTH] = 1
        self.cumulative = (0, 0)  # preemptions, prefix_hit_tokens

    def add(self, rows: NDArray[np.int64]) -> None:
        """Add the next chunk of rows."""
        from kvbench.replay.kernels.runs import collect

        if not len(rows):
            return
        collect(rows, self.pool_slots, self.table, self.at)
        self.cumulative = int(rows[-1, 4]), int(rows[-1, 5])
        if self.kept is not None:
            self.kept.append(_every_step(rows))

    def totals(self, end_ns: int) -> Totals:
        """The sums so far."""
        from kvbench.replay.kernels.runs import MAX_ALLOCATED, MAX_RUNNING, WAITING_STEPS

        sums = dict(zip(("steps", *SUMMED, *FREE), self.table[:, 1:].sum(axis=0).tolist(), strict=True))
        return Totals(
            **sums,
            end_ns=end_ns,
            waiting_steps=int(self.at[WAITING_STEPS]),
            preemptions=self.cumulative[0],
            prefix_hit_tokens=self.cumulative[1],
            max_running=int(self.at[MAX_RUNNING]),
            max_allocated=int(self.at[MAX_ALLOCATED]),
        )

    def series(self) -> Series:
        """The bins so far."""
        bins = self.table[self.table[:, 1] > 0]
        return Series(bins[:, 0], bins[:, 1], dict(zip((*SUMMED, *FREE), bins.T[2:], strict=True)))

    def steps(self) -> Steps | None:
        """Every step, if they were kept."""
        if self.kept is None:
            return None
        return Steps(dict(zip(COLUMNS, np.concatenate(self.kept).T, strict=True)))


def _every_step(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A row for each step, shape (S, len(COLUMNS))."""
    from kvbench.replay.kernels.runs import STEP_NS, STEPS

    steps = rows[:, STEPS]
    found = np.repeat(rows, steps, axis=0)
    later = np.arange(len(found)) - np.repeat(np.cumsum(steps) - steps, steps)
    moved = later * found[:, COLUMNS.index("running")]
    found[:, COLUMNS.index("t_ns")] += later * found[:, STEP_NS]
    found[:, COLUMNS.index("live")] += moved
    found[:, COLUMNS.index("reserved")] -= moved
    return found[:, : len(COLUMNS)]
