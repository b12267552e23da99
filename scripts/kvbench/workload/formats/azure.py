"""Reads Azure's LLM inference traces (github.com/Azure/AzurePublicDataset): a time and two lengths a line."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import numpy as np

from kvbench.errors import UserError
from kvbench.workload.formats.arrow_blocks import csv_block, line_numbers
from kvbench.workload.formats.columns import Block
from kvbench.workload.formats.csv import cells_of, number
from kvbench.workload.rows import Row, length, row_of

COLUMNS = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
# 2023-11-16 18:15:46.6805900 in the traces of 2023, 2024-05-10 00:00:00.009930+00:00 in those of 2024.
TIME = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
ZONED = re.compile(rb"(Z|\d\d[+-]\d\d:?\d\d)\"?$")


class AzureLines:
    """The lines of one file; arrivals are counted from its first request on."""

    clock, block_tokens, named = COLUMNS[0], 0, False

    def __init__(self, file: Path) -> None:
        self.file, self.begun, self.origin_ns = file, False, None

    def row(self, place: str, line: str, number: int) -> Row | None:
        """The request of a line; UserError unless the first line that is not blank is the header."""
        if not line.strip():
            return None
        cells = cells_of(line, place)
        if not self.begun:
            self.begun = True
            if cells != COLUMNS:
                raise UserError(
                    f"{place}: {line.strip()[:80]!r} is not the header {','.join(COLUMNS)} of azure; add it"
                )
            return None
        return row_of(place, self._row, cells, number)

    def _row(self, place: str, cells: list[str], line: int) -> Row:
        if len(cells) != len(COLUMNS):
            raise UserError(f"{place}: {len(cells)} columns; use {','.join(COLUMNS)}")
        time_ns = _nanoseconds(cells[0], place)
        self.origin_ns = time_ns if self.origin_ns is None else self.origin_ns
        row = Row(place, str(line), arrival_s=(time_ns - self.origin_ns) / 1e9)
        row.prompt_tokens, row.output_tokens = (
            length(number(cell), name, place) for cell, name in zip(cells[1:], COLUMNS[1:], strict=True)
        )
        return row

    def block(self, first: int, block: bytes) -> Block | None:
        """The requests of a block; None for the one with the header, and if times are not all alike."""
        import pyarrow as pa

        if not self.begun:
            return None
        zone = "UTC" if ZONED.search(block.partition(b",")[0]) else None
        types = {COLUMNS[0]: pa.timestamp("ns", zone), COLUMNS[1]: pa.float64(), COLUMNS[2]: pa.float64()}
        found = csv_block(block, COLUMNS, types)
        if found is None or np.isnat(found[COLUMNS[0]]).any():
            return None
        times_ns = found[COLUMNS[0]].astype(np.int64)
        self.origin_ns = int(times_ns[0]) if self.origin_ns is None else self.origin_ns
        prompt, output = found[COLUMNS[1]], found[COLUMNS[2]]
        return Block(line_numbers(first, len(prompt)), prompt, output, (times_ns - self.origin_ns) / 1e9)


def _nanoseconds(text: str, place: str) -> int:
    """Nanoseconds since 1970 of a time, in UTC unless it has another zone."""
    wrong = UserError(f"{place}: TIMESTAMP is {text!r}; write it like 2023-11-16 18:15:46.6805900")
    if (found := TIME.fullmatch(text)) is None:
        raise wrong
    whole, fraction, zone = found.groups()
    try:
        seconds = datetime.fromisoformat(whole + (zone or "+00:00")).timestamp()
    except ValueError:
        raise wrong from None
    return int(seconds) * 10**9 + int((fraction or "").ljust(9, "0"))
