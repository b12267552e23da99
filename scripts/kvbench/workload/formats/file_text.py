"""Reads a user's file as text, by lines, in pieces or whole; errors name the file, the line and the correction."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from kvbench.errors import UserError
from kvbench.workload.formats.unpack import opened

HEAD_BYTES = 1 << 16
PIECE_BYTES = 1 << 22
LINE_END = re.compile(r"\r\n|\n|\r")
# First bytes of files that are not UTF-8 text, with the problem and its correction.
NO_TEXT = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it first, or save it as CSV",
    b"PAR1": "Parquet; write it as CSV or JSONL",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}


def head(file: Path) -> str:
    """The first 64 KiB of text without leading white space; UserError for a binary or UTF-16 file."""
    with opened(file) as stream:
        raw = stream.read(HEAD_BYTES)
    for begin, problem in NO_TEXT.items():
        if raw.startswith(begin):
            raise UserError(f"{file}: {problem}")
    return raw.decode("utf-8-sig", errors="replace").lstrip()


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines, one at a time, each with its number from 1."""
    with opened(file) as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(file, number, error) from None


def line_blocks(file: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines in blocks of about 4 MiB, without a byte order mark, each with the number of its first line from 1.

    The first line, which may be a header, is a block of its own.
    """
    with opened(file) as stream:
        block, number = stream.readline().removeprefix(codecs.BOM_UTF8), 1
        while block:
            yield number, block
            number += block.count(b"\n")
            block = stream.read(PIECE_BYTES)
            block += stream.readline()


def text_lines(file: Path, first: int, block: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a block whose first line has the number `first`, with their numbers, however they end."""
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(file, first, error) from None
    yield from enumerate(LINE_END.split(text), start=first)


def pieces(file: Path) -> Iterator[str]:
    """The text in pieces of 4 MiB."""
    decoder, line = codecs.getincrementaldecoder("utf-8-sig")(), 1
    with opened(file) as stream:
        while raw := stream.read(PIECE_BYTES):
            try:
                yield decoder.decode(raw)
                line += raw.count(b"\n")
            except UnicodeDecodeError as error:
                raise _not_utf8(file, line, error) from None
        try:
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _not_utf8(file, line, error) from None


def whole(file: Path) -> str:
    """The whole text."""
    return "".join(pieces(file))


def _not_utf8(file: Path, line: int, error: UnicodeDecodeError) -> UserError:
    """The error for bytes that are not UTF-8; `error.object` begins on `line`."""
    line += error.object.count(b"\n", 0, error.start)
    return UserError(f"{file}: line {line}: not UTF-8 (byte {error.object[error.start]:#04x}); save it as UTF-8")
