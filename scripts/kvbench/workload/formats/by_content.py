"""Chooses the reader for a user's file and reads it row by row; errors name the place and the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from kvbench.errors import UserError
from kvbench.workload.formats.csv import COLUMNS, csv_rows
from kvbench.workload.formats.file_text import head
from kvbench.workload.formats.jsonl import jsonl_rows
from kvbench.workload.formats.sharegpt import sharegpt_rows
from kvbench.workload.rows import Row
from kvbench.workload.selection import Selection

Reader = Callable[[Path], Iterator[Row]]


def read_rows(file: Path, selection: Selection) -> Iterator[Row]:
    """The requests of a file in its order, one at a time, without those that `selection` skips.

    UserError names the file, line and reason of the first fault.
    """
    seen: dict[str, str] = {}
    for row in reader_for(file)(file):
        if selection.admits(row):
            _require_new(row, seen)
            yield row


def reader_for(file: Path) -> Reader:
    """The reader of a file's format, chosen by the extension or, if that is unknown, by the first character."""
    begin, suffix = head(file), file.suffix.lower()
    first = begin[:1]
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and first == "{"):
        return jsonl_rows
    if suffix == ".csv":
        return csv_rows
    if first == "[":
        return sharegpt_rows
    if suffix != ".json" and (first.isdigit() or begin.lstrip(',"').startswith(COLUMNS[0])):
        return csv_rows
    if suffix == ".json":
        raise UserError(f"{file}: line 1: not a JSON list of conversations; give ShareGPT JSON, or JSONL as .jsonl")
    raise UserError(f"{file}: unknown format; give JSONL (.jsonl), ShareGPT JSON (.json) or lengths (.csv)")


def _require_new(row: Row, seen: dict[str, str]) -> None:
    if row.request_id in seen:
        first = seen[row.request_id].rsplit(": ", 1)[-1]
        raise UserError(f"{row.place}: duplicate id {row.request_id!r}, first used on {first}; make the ids unique")
    seen[row.request_id] = row.place
