"""Reads a line of JSONL as an object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.file_text import lines


def entries(file: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The place, line number and object of each line that is not blank."""
    for number, line in lines(file):
        if line.strip():
            place = f"{file}: line {number}"
            yield place, number, entry_of(line, place)


def entry_of(line: str, place: str) -> dict[str, Any]:
    """The object of a line; UserError for broken JSON, a key that is written twice, or no object."""
    try:
        entry = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: broken JSON ({error}); write one object per line") from None
    if not isinstance(entry, dict):
        raise UserError(f"{place}: not an object; write one object per line")
    return entry


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError for a duplicate key, of which json would silently take the last value."""
    entry = dict(pairs)
    if len(entry) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)} is written twice")
    return entry
