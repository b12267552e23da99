"""Reads CSV of lengths in tokens, with or without a header, as spreadsheets and pandas write it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kvbench.errors import UserError
from kvbench.workload.formats.arrow_blocks import csv_block, line_numbers
from kvbench.workload.formats.columns import Block
from kvbench.workload.formats.file_text import whole
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row, arrival, length, row_of

COLUMNS = ["prompt_tokens", "output_tokens", "arrival_s"]
KNOWN = "prompt_tokens,output_tokens[,arrival_s][,request_id]"
INDEX = re.compile(r"(Unnamed: \d+(\.\d+)?)?")  # pandas' name for a column that is its index
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def csv_rows(source: RequestFile) -> Iterator[Row]:
    """One row per non-blank line; the first of these may be a header."""
    reader = CsvLines(source.path)
    for number, line in enumerate(whole(source.path).splitlines(), start=1):
        row = reader.row(f"{source.path}: line {number}", line, number)
        if row is not None:
            yield row


class CsvLines:
    """The lines of one file."""

    clock, block_tokens, named = "arrival_s", 0, False

    def __init__(self, file: Path) -> None:
        self.file, self.columns, self.begun = file, COLUMNS, False

    def row(self, place: str, line: str, number: int) -> Row | None:
        """The request of a line, None for a blank one; the first line that is not blank may be a header."""
        cells = cells_of(line, place)
        if not any(cells):
            return None
        headed, self.begun = not self.begun and _is_header(cells), True
        if headed:
            self.columns = _header(cells, place)
            self.named = "request_id" in self.columns
            return None
        return row_of(place, _row, cells, self.columns, number)

    def block(self, first: int, block: bytes) -> Block | None:
        """The requests of a block; None if lines have other columns than the header, or ids of their own."""
        import pyarrow as pa

        width = block.partition(b"\n")[0].count(b",") + 1
        if not self.begun or self.named or width < len(COLUMNS[:2]):
            return None
        names = self.columns[:width]
        found = csv_block(block, names, {name: pa.float64() for name in names if name})
        if found is None or not set(COLUMNS[:2]) <= set(names):
            return None
        arrival_s = np.nan_to_num(found.get("arrival_s", np.zeros(len(found[COLUMNS[0]]))), nan=0.0, posinf=np.inf)
        if (arrival_s < 0).any():
            return None
        return Block(line_numbers(first, len(arrival_s)), found[COLUMNS[0]], found[COLUMNS[1]], arrival_s)


def cells_of(line: str, place: str) -> list[str]:
    """The cells of a line, without white space around them; UserError for broken CSV or another separator."""
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]
    except csv.Error as error:
        raise UserError(f"{place}: broken CSV ({error}); write {','.join(COLUMNS[:2])}") from None
    for mark, name in OTHER_SEPARATORS.items():
        if len(cells) == 1 and mark in cells[0]:
            raise UserError(f"{place}: columns are separated by {name}; separate them by commas")
    return cells


def _is_header(cells: list[str]) -> bool:
    """Whether a line has names and no numbers; a line with any number is a request, valid or not."""
    return not any(isinstance(number(cell), int | float) for cell in cells) and any(c[:1].isalpha() for c in cells)


def _header(cells: list[str], place: str) -> list[str]:
    """The column names, with "" for an index column; UserError if one is unknown, missing or duplicated."""
    columns = ["" if at == 0 and INDEX.fullmatch(cell) else cell for at, cell in enumerate(cells)]
    for name in columns[columns[0] == "" :]:
        if name not in {*COLUMNS, "request_id"}:
            raise UserError(f"{place}: header {','.join(cells)}: unknown column {name!r}; use {KNOWN}")
    if not set(COLUMNS[:2]) <= set(columns) or len(set(columns)) < len(columns):
        raise UserError(f"{place}: header {','.join(cells)}; use {KNOWN}, each once")
    return columns


def _row(place: str, cells: list[str], columns: list[str], line: int) -> Row:
    if not 2 <= len(cells) <= len(columns):
        raise UserError(f"{place}: {len(cells)} columns; use {','.join(filter(None, columns))}")
    values = dict(zip(columns, cells, strict=False))
    row = Row(place, values.get("request_id") or str(line))
    row.arrival_s = arrival(number(values.get("arrival_s") or "0"), place)
    row.prompt_tokens = length(number(values.get("prompt_tokens")), "prompt_tokens", place)
    row.output_tokens = length(number(values.get("output_tokens")), "output_tokens", place)
    return row


def number(cell: str | None) -> int | float | str | None:
    """A cell as a number, or unchanged if it is not one; 1_0, which Python accepts as a number, is not one here."""
    for kind in (int, float):
        try:
            return cell if "_" in (cell or "") else kind(cell)
        except (TypeError, ValueError):
            continue
    return cell
