"""Reads Alpaca: instructions with an input, which may be empty, and an output, in a JSON list or JSONL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.json_items import placed_items
from kvbench.workload.request_file import RequestFile
from kvbench.workload.rows import Row, prompt, row_of

KEYS = ("instruction", "output")


def alpaca_rows(source: RequestFile) -> Iterator[Row]:
    """A request for each entry; the prompt is the instruction and, on the next line, the input if there is one."""
    for place, number, entry in placed_items(source.path):
        if not isinstance(entry, dict) or not set(KEYS) <= set(entry):
            raise UserError(f"{place}: not an object with {' and '.join(KEYS)}; give Alpaca JSON, or correct format")
        yield row_of(place, _row, str(number), entry)


def _row(place: str, name: str, entry: dict[str, Any]) -> Row:
    text = prompt(entry["instruction"], place, "instruction")
    if entry.get("input"):
        text = prompt(f"{text}\n{entry['input']}", place)
    return Row(place, name, text=text, reply=prompt(entry["output"], place, "output"))
