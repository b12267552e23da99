"""Search for the largest batch that fits, after a larger one has run out of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

# Each trial serves a whole batch, so the search stops when the bounds differ by at most 1 / 16 of the larger.
PRECISION = 16


@dataclass(frozen=True)
class Trial:
    """A batch of `rows` rows; it fits if it was served to its end."""

    rows: int
    fits: bool


@dataclass(frozen=True)
class Limit:
    """The result of the search: `fits` rows fit, `out_of_memory` rows do not."""

    fits: int
    out_of_memory: int
    trials: tuple[Trial, ...]

    def record(self) -> dict[str, Any]:
        """The entry in run.json."""
        return {"largest_batch_rows": self.fits, "out_of_memory_rows": self.out_of_memory} | {
            "trials": [asdict(trial) for trial in self.trials]
        }


def search(failed: int, serve: Callable[[int], bool], most: int | None = None) -> Limit:
    """Bisect between 0 and `failed` rows, which do not fit; `serve` says whether a batch of so many rows fits.

    No more than `most` rows (None: `failed` - 1) are tried, because no batch of the run has more.
    """
    low, high = 0, failed
    most = failed - 1 if most is None else most
    trials = [Trial(failed, False)]
    while low < most and high - low > max(1, high // PRECISION):
        rows = min((low + high) // 2, most)
        trials.append(Trial(rows, serve(rows)))
        low, high = (rows, high) if trials[-1].fits else (low, rows)
    return Limit(low, high, tuple(trials))
