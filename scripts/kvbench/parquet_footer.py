"""Checksums in the footer of a Parquet file: of all that is before it, and of what it says of the table.

Parquet's own checksums are of the content of pages. A changed bit in the header of a page or in the footer would be
read as other data.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pyarrow as pa

OUTLINE, PAGES = b"kvbench.outline", b"kvbench.pages"  # keys of the footer's metadata
UNSEALED = b"crc32 --------"  # the value of PAGES before `seal`
CHUNK = 1 << 20


def to_seal(table: pa.Table) -> pa.Table:
    """The table with the checksums in its metadata, to be written and sealed."""
    schema = _as_read(table.schema)
    own = {OUTLINE: _outline(schema, table.num_rows), PAGES: UNSEALED}
    return table.replace_schema_metadata({**(schema.metadata or {}), **own})


def seal(path: Path) -> None:
    """Put the checksum of all that is before the footer into the footer of a file just written."""
    with open(path, "r+b") as file:
        begin = _footer_begin(file)
        checksum = _checksum(file, begin)
        file.seek(begin)
        file.seek(begin + file.read().rindex(UNSEALED))
        file.write(checksum)


def unsealed(table: pa.Table) -> pa.Table:
    """The table as it was before `to_seal`."""
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key not in (OUTLINE, PAGES)}
    return table.replace_schema_metadata(metadata or None)


def checked_schema(path: str | Path, *, pages: bool = True) -> pa.Schema:
    """The schema of a file; ValueError unless its footer and, with `pages`, all before it are as they were written.

    Files of earlier versions, which have no checksums, are not checked.
    """
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    schema = footer.schema.to_arrow_schema()
    said = footer.metadata or {}  # not that of the schema, which is a copy from before `seal`
    written = said.get(OUTLINE)
    if written is not None and written != _outline(schema, footer.num_rows):
        raise ValueError("its footer has changed")
    written = said.get(PAGES)
    if pages and written is not None:
        with open(path, "rb") as file:
            if written != _checksum(file, _footer_begin(file)):
                raise ValueError("its pages have changed")
    return schema


def _footer_begin(file: BinaryIO) -> int:
    """Where the footer begins: its length is before the four bytes that end the file."""
    end = file.seek(-8, io.SEEK_END)
    return end - int.from_bytes(file.read(4), "little")


def _checksum(file: BinaryIO, end: int) -> bytes:
    """The checksum of a file's bytes before `end`, as long as UNSEALED."""
    found, left = 0, end
    file.seek(0)
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        found, left = zlib.crc32(chunk, found), left - len(chunk)
    return b"crc32 %08x" % found


def _outline(schema: pa.Schema, rows: int) -> bytes:
    """Digest of the names and types of columns, the number of rows and the metadata."""
    own = sorted((key, value) for key, value in (schema.metadata or {}).items() if key not in (OUTLINE, PAGES))
    said = [schema.remove_metadata().to_string(show_field_metadata=False), rows, own]
    return hashlib.sha256(repr(said).encode()).hexdigest().encode()


def _as_read(schema: pa.Schema) -> pa.Schema:
    """A schema as it comes back from Parquet, which names the items of lists."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    return pq.read_schema(buffer)
