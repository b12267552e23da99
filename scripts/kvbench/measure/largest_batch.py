"""The largest batch that fits, once a larger one has run out of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

# Each trial serves a whole batch, so the search stops where the bounds are this near: 1 / 16 of the larger.
PRECISION = 16


@dataclass(frozen=True)
class Trial:
    """A batch of `rows` rows, served to its end or not."""

    rows: int
    fits: bool


@dataclass(frozen=True)
class Limit:
    """What is known of the rows that fit: `fits` do, `out_of_memory` do not."""

    fits: int
    out_of_memory: int
    trials: tuple[Trial, ...]

    def record(self) -> dict[str, Any]:
        """As run.json has it."""
        return {"largest_batch_rows": self.fits, "out_of_memory_rows": self.out_of_memory} | {
            "trials": [asdict(trial) for trial in self.trials]
        }


def search(failed: int, serve: Callable[[int], bool], most: int | None = None) -> Limit:
    """Halve the distance between what fits and `failed` rows, which do not; `serve` tries a batch.

    No more than `most` rows (None: `failed` - 1) are tried: no batch that is asked for has more.
    """
    low, high = 0, failed
    most = failed - 1 if most is None else most
    trials = [Trial(failed, False)]
    while low < most and high - low > max(1, high // PRECISION):
        rows = min((low + high) // 2, most)
        trials.append(Trial(rows, serve(rows)))
        low, high = (rows, high) if trials[-1].fits else (low, rows)
    return Limit(low, high, tuple(trials))
