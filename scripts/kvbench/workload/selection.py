"""Selects the requests of a user's file: unsuitable ones are refused, or left out and counted."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kvbench.errors import UserError
from kvbench.workload.check import Limit
from kvbench.workload.rows import Row

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
MOST_LISTED = 1000
METADATA = b"kvbench.file"


@dataclass(frozen=True)
class FileCounts:
    """Numbers of requests in a file and of those skipped; the rest may be more than the requests asked for."""

    requests_in_file: int
    skipped_too_long: int
    skipped_bad_turns: int

    def words(self, taken: int, file: str = "the file") -> str:
        """A phrase with the number of requests served (`taken`) and the numbers left out, by reason."""
        if left_out := self.left_out(taken):
            return f"{taken:,} of {self.requests_in_file:,} requests of {file} (left out: {left_out})"
        return f"{taken:,} requests of {file}"

    def left_out(self, taken: int) -> str:
        """A phrase with the numbers of requests that are not served, by reason; empty if all are served."""
        rest = self.requests_in_file - self.skipped_too_long - self.skipped_bad_turns - taken
        named = {"too long": self.skipped_too_long, "with bad turns": self.skipped_bad_turns, "not asked for": rest}
        return ", ".join(f"{count:,} {name}" for name, count in named.items() if count)


COUNTS = tuple(FileCounts.__dataclass_fields__)


class Selection:
    """Selects and counts the requests of a file as they are read; `too_long` and `bad_turns` are `refuse` or `skip`."""

    def __init__(self, too_long: str = "refuse", bad_turns: str = "refuse") -> None:
        self.too_long, self.bad_turns = too_long, bad_turns
        self.in_file = self.skipped_too_long = self.skipped_bad_turns = 0

    def admits(self, row: Row) -> bool:
        """Count a request that was just read; whether its turns are usable; UserError if bad turns are refused."""
        self.in_file += 1
        return self.is_whole(row)

    def is_whole(self, row: Row) -> bool:
        """Whether an admitted request has no fault; UserError if it has one and bad turns are refused."""
        if row.fault and self.bad_turns == "refuse":
            raise UserError(f"{row.fault}, or set bad_turns: skip to leave such requests out")
        if row.fault:
            log.warning("%s, left out", row.fault.partition(";")[0])
            self.skipped_bad_turns += 1
        return row.fault is None

    def fits(self, row: Row, prompt_tokens: int, limit: Limit) -> bool:
        """Whether a request is short enough; UserError if it is not and long requests are refused."""
        reason = limit.excess(prompt_tokens, row.output_tokens)
        if reason and self.too_long == "refuse":
            raise UserError(f"{row.place}: {reason}; shorten it, or set too_long: skip to leave such requests out")
        if reason:
            log.warning("%s: %s, left out", row.place, reason)
            self.skipped_too_long += 1
        return reason is None

    def leave_out(self, file: Path, bad: NDArray[np.int64], long: NDArray[np.int64], limit: Limit) -> None:
        """Count requests of which only lengths are known, given as their line numbers: `bad` turns and too `long` ones.

        The log lists the first thousand of each; there may be millions.
        """
        for lines, before, reason in (
            (bad, self.skipped_bad_turns, "no token of prompt or output"),
            (long, self.skipped_too_long, f"more than {limit.reason}"),
        ):
            for line in lines[: max(0, MOST_LISTED - before)]:
                log.warning("%s: line %d: %s, left out", file, line, reason)
            if before < MOST_LISTED <= before + len(lines):
                log.warning("%s: further requests with %s are counted, but not listed", file, reason)
        self.skipped_bad_turns += len(bad)
        self.skipped_too_long += len(long)

    def counts(self) -> FileCounts:
        """The numbers so far."""
        return FileCounts(self.in_file, self.skipped_too_long, self.skipped_bad_turns)

    def require_any(self, taken: Collection, file: Path) -> None:
        """UserError if no request is left."""
        if taken:
            return
        if self.in_file:
            left_out = self.counts().left_out(0)
            raise UserError(f"{file}: all {self.in_file:,} requests are left out: {left_out}; use another file")
        raise UserError(f"{file}: the file contains no request; give at least one")


def stamped(table: pa.Table, counts: FileCounts) -> pa.Table:
    """The table with the counts of its source file in the metadata, which Parquet keeps."""
    return table.replace_schema_metadata({METADATA: json.dumps(asdict(counts))})


def counts_of(table: pa.Table) -> FileCounts | None:
    """The counts of the file that a table was made from; None if it was not made from a file."""
    found = (table.schema.metadata or {}).get(METADATA)
    return FileCounts(**json.loads(found)) if found else None
