"""A user's file as text, in lines, in pieces or whole; what cannot be read is named by file, line and mend."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kvbench.errors import UserError

HEAD_BYTES = 1 << 16
PIECE_BYTES = 1 << 22
# What a file that is no text begins with, and its mend.
NO_TEXT = {
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it first, or save it as CSV",
    b"PAR1": "Parquet; write it as CSV or JSONL",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The file's bytes; UserError where there is no such file or it cannot be read."""
    try:
        with open(file, "rb") as stream:
            yield stream
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; mend the path at the key file") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); mend the path or its permissions") from None


def head(file: Path) -> str:
    """The text from its first character that is no white space; UserError where the file is of no text in UTF-8."""
    with opened(file) as stream:
        raw = stream.read(HEAD_BYTES)
    for begin, problem in NO_TEXT.items():
        if raw.startswith(begin):
            raise UserError(f"{file}: {problem}")
    return raw.decode("utf-8-sig", errors="replace").lstrip()


def lines(file: Path) -> Iterator[tuple[int, str]]:
    """Lines by their number, from 1, one at a time."""
    with opened(file) as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(file, number, error) from None


def pieces(file: Path) -> Iterator[str]:
    """The text, some megabytes at a time."""
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
    """All of the text."""
    return "".join(pieces(file))


def _not_utf8(file: Path, line: int, error: UnicodeDecodeError) -> UserError:
    """`line` is the one that `error.object` begins on."""
    line += error.object.count(b"\n", 0, error.start)
    return UserError(f"{file}: line {line}: not UTF-8 (byte {error.object[error.start]:#04x}); save it as UTF-8")
