"""Opens a user's file as bytes, unpacked if its first bytes say that it is compressed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from kvbench.errors import UserError

PIECE_BYTES = 1 << 20
SUFFIXES = {".gz", ".bz2", ".xz", ".zst"}
# What the libraries raise for data that is cut off or changed; Arrow's own errors derive from OSError and ValueError.
BROKEN = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def _zstd(stream: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


# First bytes of compressed files: the format's name and what opens it.
PACKED: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
}


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The file's content as bytes, unpacked.

    UserError if the file does not exist or cannot be read; while it is read, if its compressed data is cut off or
    corrupt.
    """
    try:
        stream = open(file, "rb")  # noqa: SIM115
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; correct the path under the key file") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); correct the path or its permissions") from None
    with stream:
        for begin, (name, unpack) in PACKED.items():
            if stream.peek(len(begin)).startswith(begin):
                yield io.BufferedReader(_Unpacked(file, name, unpack(stream)), PIECE_BYTES)
                return
        yield stream


def suffix_of(file: Path) -> str:
    """The extension in lower case; that of a compressed file is the one before, such as .csv of a.csv.gz."""
    whole = [suffix.lower() for suffix in file.suffixes[-2:]]
    if whole and whole[-1] in SUFFIXES:
        whole.pop()
    return whole[-1] if whole else ""


class _Unpacked(io.RawIOBase):
    """The bytes of a compressed file; errors name the line in which the data breaks off."""

    def __init__(self, file: Path, name: str, stream: Any) -> None:
        self.file, self.name, self.stream, self.line = file, name, stream, 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            found = self.stream.read1(len(buffer))
        except BROKEN as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            problem = f"{self.file}: line {self.line}: the {self.name} data is cut off or corrupt ({reason})"
            raise UserError(f"{problem}; fetch or pack the file again") from None
        self.line += found.count(b"\n")
        buffer[: len(found)] = found
        return len(found)
