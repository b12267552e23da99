"""Reads BurstGPT (github.com/HPMLL/BurstGPT): the requests that a campus sent to ChatGPT and GPT-4, one a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kvbench.errors import UserError
from kvbench.workload.formats.arrow_blocks import csv_block, line_numbers
from kvbench.workload.formats.columns import Block
from kvbench.workload.formats.csv import cells_of, number
from kvbench.workload.rows import BadTurn, Row, is_number, length, row_of

TIME, PROMPT, OUTPUT = USED = ("Timestamp", "Request tokens", "Response tokens")
# Both releases also have Model, Total tokens and Log Type, the second Session ID and Elapsed time, in another order.


class BurstGptLines:
    """The lines of one file; arrivals are counted from its first request on."""

    clock, block_tokens, named = TIME, 0, False

    def __init__(self, file: Path) -> None:
        self.file, self.columns, self.origin_s = file, [], None

    def row(self, place: str, line: str, number: int) -> Row | None:
        """The request of a line; UserError unless the first line that is not blank is the header."""
        if not line.strip():
            return None
        cells = cells_of(line, place)
        if self.columns:
            return row_of(place, self._row, cells, number)
        if not set(USED) <= set(cells) or len(set(cells)) < len(cells):
            problem = f"{line.strip()[:80]!r} is not the header of burstgpt"
            raise UserError(f"{place}: {problem}, which has {', '.join(USED)} once each; add it")
        self.columns = cells
        return None

    def _row(self, place: str, cells: list[str], line: int) -> Row:
        if len(cells) != len(self.columns):
            raise UserError(f"{place}: {len(cells)} columns; use {','.join(self.columns)}")
        values = dict(zip(self.columns, map(number, cells), strict=True))
        time_s = values[TIME]
        if not is_number(time_s):
            raise UserError(f"{place}: {TIME} is {time_s!r}; give seconds")
        self.origin_s = float(time_s) if self.origin_s is None else self.origin_s
        row = Row(place, str(line), arrival_s=time_s - self.origin_s)
        row.prompt_tokens = length(values[PROMPT], PROMPT, place)
        if values[OUTPUT] == 0:
            raise BadTurn(f"{place}: {OUTPUT} is 0, a request that failed; remove it")
        row.output_tokens = length(values[OUTPUT], OUTPUT, place)
        return row

    def block(self, first: int, block: bytes) -> Block | None:
        """The requests of a block; None for the one with the header."""
        import pyarrow as pa

        if not self.columns:
            return None
        found = csv_block(block, self.columns, dict.fromkeys(USED, pa.float64()))
        if found is None or not np.isfinite(found[TIME]).all():
            return None
        self.origin_s = float(found[TIME][0]) if self.origin_s is None else self.origin_s
        count = len(found[TIME])
        return Block(line_numbers(first, count), found[PROMPT], found[OUTPUT], found[TIME] - self.origin_s)
