"""Reads ShareGPT JSON: a list of conversations, whose first two turns are a prompt and its reply."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.json_items import items
from kvbench.workload.rows import BadTurn, Row, prompt, request_id, row_of

log = logging.getLogger(__name__)

# Speakers as public files name them; other names are accepted in either turn.
ASKING = {"human", "user"}
ANSWERING = {"gpt", "chatgpt", "assistant", "model", "bot", "bing", "bard", "claude"}
INSTRUCTING = {"system"}


def sharegpt_rows(file: Path) -> Iterator[Row]:
    """One row per conversation. Since public files repeat some ids, a repeated id gets the entry's number appended."""
    seen: set[str] = set()
    for number, (line, entry) in enumerate(items(file), start=1):
        place = f"{file}: line {line}, entry {number}"
        turns = entry.get("conversations") if isinstance(entry, dict) else None
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            raise UserError(f"{place}: no list of conversations; give ShareGPT JSON, or JSONL with one object per line")
        name = request_id(number if entry.get("id") is None else entry["id"], place)
        if name in seen:
            name = f"{name}-{number}"
            log.warning("%s: duplicate id, renamed to %s", place, name)
        seen.add(name)
        yield row_of(place, _row, name, turns)


def _row(place: str, name: str, turns: list[dict[str, Any]]) -> Row:
    if len(turns) < 2:
        raise BadTurn(f"{place}: fewer than two turns; give a prompt and its reply")
    _require_order(place, *(str(turn.get("from", "")).strip().lower() for turn in turns[:2]))
    text = prompt(turns[0].get("value"), place)
    return Row(place, name, text=text, reply=prompt(turns[1].get("value"), place, "reply"))


def _require_order(place: str, first: str, second: str) -> None:
    if first in ANSWERING | INSTRUCTING:
        raise BadTurn(f"{place}: the first turn is from {first} and is not a prompt; begin with the prompt")
    if second in ASKING | INSTRUCTING:
        raise BadTurn(f"{place}: the second turn is from {second} and is not a reply; let the reply follow the prompt")
