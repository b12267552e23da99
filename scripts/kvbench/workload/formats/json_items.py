"""Reads the items of a large JSON list one at a time, so that a file of gigabytes is never wholly in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.workload.formats.file_text import head, pieces
from kvbench.workload.formats.json_lines import entries

BLANK = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


def items(file: Path) -> Iterator[tuple[int, Any]]:
    """Each item with the line on which it begins; UserError with the line of broken JSON."""
    text = _Text(file)
    text.take("[")
    if text.ahead() == "]":
        text.take("]")
    else:
        yield from _filled(text)
    if text.ahead():
        raise text.broken("extra text after the end of the list")


def placed_items(file: Path) -> Iterator[tuple[str, int, Any]]:
    """Each item of a JSON list, or else each line of JSONL, with its place and its number from 1."""
    if head(file).startswith("{"):
        for number, (place, _, entry) in enumerate(entries(file), start=1):
            yield place, number, entry
    else:
        for number, (line, entry) in enumerate(items(file), start=1):
            yield f"{file}: line {line}, entry {number}", number, entry


def _filled(text: _Text) -> Iterator[tuple[int, Any]]:
    while True:
        text.ahead()
        yield text.line, text.value()
        if text.take(",", "]") == "]":
            return


class _Text:
    """The file's text from the current place on; more of it is read when needed."""

    def __init__(self, file: Path) -> None:
        self.file, self.pieces = file, pieces(file)
        self.text, self.at, self.line = "", 0, 1

    def ahead(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        self._go(BLANK.match(self.text, self.at).end())
        while self.at == len(self.text) and self._read():
            self._go(BLANK.match(self.text, self.at).end())
        return self.text[self.at : self.at + 1]

    def take(self, *marks: str) -> str:
        """Consume and return the next character, which must be one of `marks`."""
        found = self.ahead()
        if found not in marks:
            raise self.broken(f"{' or '.join(marks)} expected")
        self._go(self.at + 1)
        return found

    def value(self) -> Any:
        """Consume and return the JSON value that begins here."""
        while True:
            try:
                found, end = DECODER.raw_decode(self.text, self.at)
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError) or not self._read():
                    raise self.broken(getattr(error, "msg", str(error)), getattr(error, "pos", self.at)) from None
            else:
                self._go(end)
                return found

    def broken(self, reason: str, at: int | None = None) -> UserError:
        """The error for a fault at `at` in the text in memory, by default at the current place."""
        line = self.line + self.text.count("\n", self.at, self.at if at is None else at)
        return UserError(f"{self.file}: line {line}: broken JSON ({reason}); correct the file")

    def _go(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def _read(self) -> bool:
        """Read at least as much again as is left in memory; False at the end of the file."""
        wanted, found = len(self.text) - self.at, []
        while (piece := next(self.pieces, None)) is not None:
            found.append(piece)
            if (wanted := wanted - len(piece)) <= 0:
                break
        self.text, self.at = self.text[self.at :] + "".join(found), 0
        return bool(found)
