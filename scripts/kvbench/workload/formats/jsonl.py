"""Reads JSONL: one object per line, with text or token ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.file_text import lines
from kvbench.workload.rows import Row, arrival, length, prompt, request_id, row_of, token_ids

KEYS = {"request_id", "prompt", "prompt_token_ids", "output_tokens", "arrival_s"}
PROMPTS = {"prompt", "prompt_token_ids"}


def jsonl_rows(file: Path) -> Iterator[Row]:
    """One row per non-blank line."""
    for number, line in lines(file):
        if line.strip():
            place = f"{file}: line {number}"
            yield row_of(place, _row, _entry(line, place), number)


def _entry(line: str, place: str) -> dict[str, Any]:
    try:
        entry = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: broken JSON ({error}); write one object per line") from None
    if not isinstance(entry, dict):
        raise UserError(f"{place}: not an object; write one object per line")
    if unknown := sorted(set(entry) - KEYS):
        raise UserError(f"{place}: unknown key {unknown[0]!r}; use {', '.join(sorted(KEYS))}")
    if entry.keys() >= PROMPTS:  # pandas writes both keys if a frame has both columns
        entry = {key: value for key, value in entry.items() if key not in PROMPTS or value is not None}
    if len(entry.keys() & PROMPTS) != 1:
        raise UserError(f"{place}: give either prompt or prompt_token_ids")
    return entry


def _row(place: str, entry: dict[str, Any], number: int) -> Row:
    row = Row(place, request_id(entry.get("request_id", number), place))
    row.arrival_s = arrival(0 if entry.get("arrival_s") is None else entry["arrival_s"], place)
    row.output_tokens = length(entry.get("output_tokens"), "output_tokens", place)
    if "prompt" in entry:
        row.text = prompt(entry["prompt"], place)
    else:
        row.ids = token_ids(entry["prompt_token_ids"], place)
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError for a duplicate key, of which json would silently take the last value."""
    entry = dict(pairs)
    if len(entry) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)} is written twice")
    return entry
