"""The use of allocated KV cache slots, summed over every step of the timed repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kvbench.analysis.results import Run
from kvbench.analysis.tables.timed_steps import timed_steps
from kvbench.errors import UserError
from kvbench.records import SPLIT

COUNTS = ("pool", "allocated", *SPLIT)


@dataclass
class Sums:
    """Running totals over rows of kv.parquet, in slots (waiting: in rows)."""

    rows: int = 0
    rows_waiting: int = 0
    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    peak: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Add rows of kv.parquet."""
        self.rows += rows.num_rows
        self.rows_waiting += pc.sum(pc.greater(rows["waiting"], 0)).as_py() or 0
        for name in COUNTS:
            self.total[name] += pc.sum(rows[name]).as_py() or 0
            self.peak[name] = max(self.peak[name], pc.max(rows[name]).as_py() or 0)

    def plus(self, other: Sums) -> Sums:
        """The combined totals of both."""
        return Sums(
            self.rows + other.rows,
            self.rows_waiting + other.rows_waiting,
            {name: self.total[name] + other.total[name] for name in COUNTS},
            {name: max(self.peak[name], other.peak[name]) for name in COUNTS},
        )


def sums(path: Path, repeats: Sequence[int]) -> Sums:
    """Sum the steps of `repeats` in a kv.parquet in which a request runs.

    UserError if the file is missing or its split does not add up to the allocated slots.
    """
    found = Sums()
    for rows in timed_steps(path, repeats, ["waiting", *COUNTS]):
        if not adds_up(rows):
            raise UserError(
                f"{path}: the split of slots does not add up to the allocated slots; delete it and run again"
            )
        found.add(rows)
    return found


def adds_up(rows: pa.RecordBatch) -> bool:
    """Whether allocated = live + reserved + internal + padding + finished in every row."""
    total = reduce(pc.add, (rows[name] for name in SPLIT))
    return pc.all(pc.equal(total, rows["allocated"])).as_py() is not False


def table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per run from its timed repeats of scope `all`, or of scope `sequential` if it has no others.

    Shares are Σ part / Σ allocated over the steps in which a request runs. The unused pool is idle, not waste, so it
    has its own columns.
    """
    return pd.DataFrame([_row(run) for run in runs if run.timed()])


def _row(run: Run) -> dict[str, Any]:
    scope = "all" if run.timed("all") else "sequential"
    each = [sums(one.folder / "kv.parquet", one.timed_numbers(scope)) for one in run.processes]
    found = reduce(Sums.plus, each)
    total, slot_bytes, rows = found.total, run.record["slot_bytes"], max(found.rows, 1)
    row = {
        **run.names,
        "scope": scope,
        "n_repeats": len(run.timed(scope)),
        "n_processes": len(each),
        "steps": found.rows,
    }
    row["steps_with_waiting_share"] = found.rows_waiting / rows
    row.update({f"{name}_share_of_allocated": _over(total[name], total["allocated"]) for name in SPLIT})
    row["live_share_of_allocated_and_external"] = _with_external(run, each, found)
    row["unused_pool_share_of_pool"] = _over(total["pool"] - total["allocated"], total["pool"])
    row.update({f"{name}_mean_bytes": total[name] / rows * slot_bytes for name in COUNTS})
    row["unused_pool_mean_bytes"] = (total["pool"] - total["allocated"]) / rows * slot_bytes
    row.update({f"{name}_peak_bytes": found.peak[name] * slot_bytes for name in ("pool", "allocated", "live")})
    return row


def _with_external(run: Run, each: Sequence[Sums], found: Sums) -> float | None:
    """Σ live over Σ (allocated + external fragmentation), in bytes; None if the fragmentation is unknown."""
    external_bytes = [one.record["memory"].get("external_fragmentation_bytes") for one in run.processes]
    if None in external_bytes:
        return None
    slot_bytes = run.record["slot_bytes"]
    outside = sum(one.rows * size for one, size in zip(each, external_bytes, strict=True))
    return _over(found.total["live"] * slot_bytes, found.total["allocated"] * slot_bytes + outside)


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None
