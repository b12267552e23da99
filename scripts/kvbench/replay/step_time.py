"""How long the steps of a replay last: by a formula, or as a live run's steps did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kvbench.errors import UserError

DAY_S = 86_400
TIMES = ("constant_s", "per_token_s", "per_sequence_s", "prefill_s")  # of a key `step_time`


@dataclass(frozen=True)
class StepTime:
    """Duration of a step in whole nanoseconds: a constant, a cost per computed token and per scheduled sequence, and a
    further constant for a step of more tokens than sequences, as one with a prompt is.
    """

    constant_ns: int = 0
    per_token_ns: int = 0
    per_sequence_ns: int = 0
    prefill_ns: int = 0

    @classmethod
    def of(
        cls, constant_s: float, per_token_s: float = 0.0, per_sequence_s: float = 0.0, prefill_s: float = 0.0
    ) -> StepTime:
        """A StepTime from seconds; UserError if a value is negative, not finite or longer than a day."""
        seconds = (constant_s, per_token_s, per_sequence_s, prefill_s)
        if not all(0 <= value <= DAY_S for value in seconds):
            told = f"{constant_s} s + {per_sequence_s} s per sequence + {per_token_s} s per token"
            raise UserError(f"replay: step time {told}, {prefill_s} s with a prompt; give times from 0 to a day")
        return cls(*(round(value * 1e9) for value in seconds))

    @property
    def costs_ns(self) -> NDArray[np.int64]:
        """(4,) of a step, of a sequence, of a token and of a prefill, the order of `kernels.clock.Clock`."""
        return np.array([self.constant_ns, self.per_sequence_ns, self.per_token_ns, self.prefill_ns], np.int64)

    @classmethod
    def given(cls, own: Mapping[str, Any] | None) -> StepTime:
        """The StepTime of a key `step_time` of config.yaml; without one, steps take no time."""
        return cls.of(*((own or {}).get(name, 0) for name in TIMES))


NO_TIME = StepTime()


def checked_clock(clock_ns: ArrayLike | None) -> NDArray[np.int64]:
    """Starts of S steps in ns, shape (S,), or an empty array for None; UserError if they are none or out of order."""
    if clock_ns is None:
        return np.zeros(0, np.int64)
    starts = np.asarray(clock_ns)
    if starts.ndim != 1 or not starts.size or not np.issubdtype(starts.dtype, np.integer):
        raise UserError("replay: clock_ns is not a list of whole nanoseconds; give the start of each step")
    if (early := np.flatnonzero(np.diff(starts) < 0)).size:
        raise UserError(f"replay: clock_ns: step {early[0] + 1} begins before step {early[0]}; sort it")
    return starts.astype(np.int64)
