"""Reads CSV of lengths in tokens, with or without a header, as spreadsheets and pandas write it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from kvbench.errors import UserError
from kvbench.workload.formats.file_text import whole
from kvbench.workload.rows import Row, arrival, length, row_of

COLUMNS = ["prompt_tokens", "output_tokens", "arrival_s"]
KNOWN = "prompt_tokens,output_tokens[,arrival_s][,request_id]"
INDEX = re.compile(r"(Unnamed: \d+(\.\d+)?)?")  # pandas' name for a column that is its index
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


def csv_rows(file: Path) -> Iterator[Row]:
    """One row per non-blank line; the first of these may be a header."""
    columns, begun = COLUMNS, False
    for number, line in enumerate(whole(file).splitlines(), start=1):
        place = f"{file}: line {number}"
        cells = _cells(line, place)
        if not any(cells):
            continue
        if begun or not _is_header(cells):
            yield row_of(place, _row, cells, columns, number)
        else:
            columns = _header(cells, place)
        begun = True


def _cells(line: str, place: str) -> list[str]:
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
