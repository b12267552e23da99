"""The three formats of users' files, read row by row; a broken row is named by its place and reason."""

from __future__ import annotations

import csv
import json
import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.check import Limit

log = logging.getLogger(__name__)
JSONL_KEYS = {"request_id", "prompt", "prompt_token_ids", "output_tokens", "arrival_s"}
CSV_COLUMNS = ["prompt_tokens", "output_tokens", "arrival_s"]
BETWEEN = re.compile(r"[\s,]*")


@dataclass
class Row:
    """A request as it stands in the file: its place there and what it gives of prompt and output."""

    place: str
    request_id: str
    text: str | None = None
    ids: list[int] | None = None
    prompt_tokens: int | None = None
    reply: str | None = None
    output_tokens: int | None = None
    arrival_s: float = 0.0


Reader = Callable[[str, Path], Iterator[Row]]


def read_rows(file: Path) -> list[Row]:
    """The requests of a file in its order; UserError names the first fault by file, line and reason."""
    content = _decoded(file)
    rows = list(reader_for(file, content)(content, file))
    _require_unique(rows)
    return rows


def fits(row: Row, prompt_tokens: int, limit: Limit, too_long: str) -> bool:
    """Whether a request is short enough; a longer one is a UserError, or left out where `too_long` is `skip`."""
    reason = limit.excess(prompt_tokens, row.output_tokens)
    if reason and too_long == "refuse":
        raise UserError(f"{row.place}: {reason}; shorten it, or set too_long: skip to leave such requests out")
    if reason:
        log.warning("%s: %s, left out", row.place, reason)
    return reason is None


def reader_for(file: Path, content: str) -> Reader:
    """The reader of a file's format: by the extension, and where that says nothing by the first character."""
    first = content.lstrip()[:1]
    suffix = file.suffix.lower()
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and first == "{"):
        return _jsonl_rows
    if suffix == ".csv":
        return _csv_rows
    if first == "[":
        return _sharegpt_rows
    if suffix != ".json" and (first.isdigit() or content.lstrip().startswith(CSV_COLUMNS[0])):
        return _csv_rows
    if suffix == ".json":
        raise UserError(f"{file}: line 1: not a JSON list of conversations; give ShareGPT JSON, or JSONL as .jsonl")
    raise UserError(f"{file}: unknown format; give JSONL (.jsonl), ShareGPT JSON (.json) or lengths (.csv)")


def _decoded(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; mend the path at the key file") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); mend the path or its permissions") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}: line {line}: not UTF-8 (byte {raw[error.start]:#04x}); save it as UTF-8") from None


def _require_unique(rows: list[Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        if row.request_id in seen:
            first = seen[row.request_id].rsplit(": ", 1)[-1]
            raise UserError(f"{row.place}: duplicate id {row.request_id!r}, first on {first}; give each its own")
        seen[row.request_id] = row.place


def _jsonl_rows(content: str, file: Path) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield _jsonl_row(line, number, f"{file}: line {number}")


def _jsonl_row(line: str, number: int, place: str) -> Row:
    try:
        entry = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: broken JSON ({error}); write one object a line") from None
    if not isinstance(entry, dict):
        raise UserError(f"{place}: not an object; write one object a line")
    if unknown := sorted(set(entry) - JSONL_KEYS):
        raise UserError(f"{place}: unknown key {unknown[0]!r}; use {', '.join(sorted(JSONL_KEYS))}")
    if ("prompt" in entry) == ("prompt_token_ids" in entry):
        raise UserError(f"{place}: give either prompt or prompt_token_ids")
    row = Row(
        place, _id(entry.get("request_id", number), place), arrival_s=_arrival(entry.get("arrival_s", 0.0), place)
    )
    row.output_tokens = _length(entry.get("output_tokens"), "output_tokens", place)
    if "prompt" in entry:
        row.text = _prompt(entry["prompt"], place)
    else:
        row.ids = _ids(entry["prompt_token_ids"], place)
    return row


def _sharegpt_rows(content: str, file: Path) -> Iterator[Row]:
    """The first two turns of each conversation; one with fewer asks for nothing and is left out, as is usual."""
    try:
        json.loads(content)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UserError(f"{file}: line {line}: broken JSON ({error}); mend the file") from None
    for number, (line, entry) in enumerate(_items(content), start=1):
        place = f"{file}: line {line}, entry {number}"
        turns = entry.get("conversations") if isinstance(entry, dict) else None
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            raise UserError(f"{place}: no list of conversations; give ShareGPT JSON")
        if len(turns) < 2:
            log.warning("%s: fewer than two turns, left out", place)
            continue
        text = _prompt(turns[0].get("value"), place)
        reply = _prompt(turns[1].get("value"), place, "reply")
        yield Row(place, _id(entry.get("id", number), place), text=text, reply=reply)


def _items(content: str) -> Iterator[tuple[int, Any]]:
    """The items of a JSON list that is known to be sound, each with the line that it begins on."""
    decoder, line, counted = json.JSONDecoder(), 1, 0
    begin = BETWEEN.match(content, content.index("[") + 1).end()
    while content[begin] != "]":
        line, counted = line + content.count("\n", counted, begin), begin
        item, end = decoder.raw_decode(content, begin)
        yield line, item
        begin = BETWEEN.match(content, end).end()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError for a key written twice, of which json would take the last in silence."""
    entry = dict(pairs)
    if len(entry) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)} is written twice")
    return entry


def _csv_rows(content: str, file: Path) -> Iterator[Row]:
    columns = CSV_COLUMNS
    for number, line in enumerate(content.splitlines(), start=1):
        place = f"{file}: line {number}"
        cells = _cells(line, place)
        if not any(cells):
            continue
        if number == 1 and cells[0][:1].isalpha():
            columns = _csv_header(cells, place)
        else:
            yield _csv_row(cells, columns, place, number)


def _cells(line: str, place: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True), [])]
    except csv.Error as error:
        raise UserError(f"{place}: broken CSV ({error}); write {','.join(CSV_COLUMNS[:2])}") from None


def _csv_header(cells: list[str], place: str) -> list[str]:
    known = {*CSV_COLUMNS, "request_id"}
    if not set(cells) <= known or not set(CSV_COLUMNS[:2]) <= set(cells) or len(set(cells)) < len(cells):
        raise UserError(f"{place}: header {','.join(cells)}; use prompt_tokens,output_tokens[,arrival_s][,request_id]")
    return cells


def _csv_row(cells: list[str], columns: list[str], place: str, number: int) -> Row:
    if not 2 <= len(cells) <= len(columns):
        raise UserError(f"{place}: {len(cells)} columns; use {','.join(columns)}")
    values = dict(zip(columns, cells, strict=False))
    row = Row(place, values.get("request_id") or str(number))
    row.prompt_tokens = _length(_number(values.get("prompt_tokens")), "prompt_tokens", place)
    row.output_tokens = _length(_number(values.get("output_tokens")), "output_tokens", place)
    row.arrival_s = _arrival(_number(values.get("arrival_s") or "0"), place)
    return row


def _number(cell: str | None) -> int | float | str | None:
    """A cell as a number, or as it stands where it is none; Python would read 1_0 as one too."""
    for kind in (int, float):
        try:
            return cell if "_" in (cell or "") else kind(cell)
        except (TypeError, ValueError):
            continue
    return cell


def _id(value: Any, place: str) -> str:
    if type(value) not in (int, str) or value == "":
        raise UserError(f"{place}: request id is {value!r}; give text or a whole number, or leave it out")
    return str(value)


def _length(value: Any, key: str, place: str) -> int:
    if value is None:
        raise UserError(f"{place}: no {key}; give a whole number of at least 1")
    if type(value) is not int or not 1 <= value < 1 << 31:
        raise UserError(f"{place}: {key} is {value!r}; give a whole number of at least 1")
    return value


def _arrival(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(f"{place}: arrival_s is {value!r}; give seconds, 0 or more")
    return float(value)


def _prompt(value: Any, place: str, what: str = "prompt") -> str:
    if not isinstance(value, str):
        raise UserError(f"{place}: {what} is {type(value).__name__}, not text; give text")
    if not value.strip():
        raise UserError(f"{place}: empty {what}; give some text or leave the request out")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{place}: {what} holds half a surrogate pair, which is no text; mend the escape") from None
    return value


def _ids(value: Any, place: str) -> list[int]:
    if not isinstance(value, list) or not all(type(i) is int for i in value):
        raise UserError(f"{place}: prompt_token_ids is not a list of whole numbers")
    if not value:
        raise UserError(f"{place}: empty prompt_token_ids; give one id at least")
    return value
