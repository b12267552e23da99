"""A digest of what the footer of a Parquet file says of its table, since Parquet has checksums for pages alone."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

OUTLINE = b"kvbench.outline"  # key of the footer's metadata


def with_outline(table: pa.Table) -> pa.Table:
    """The table with the digest in its metadata, to be written."""
    schema = _as_read(table.schema)
    return table.replace_schema_metadata({**(schema.metadata or {}), OUTLINE: _outline(schema, table.num_rows)})


def without_outline(table: pa.Table) -> pa.Table:
    """The table as it was before `with_outline`."""
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != OUTLINE}
    return table.replace_schema_metadata(metadata or None)


def checked_schema(path: str | Path) -> pa.Schema:
    """The schema of a file; ValueError unless its footer says of the table what it said when it was written.

    Files of earlier versions, which have no digest, are not checked.
    """
    import pyarrow.parquet as pq

    footer = pq.read_metadata(path)
    schema = footer.schema.to_arrow_schema()
    written = (schema.metadata or {}).get(OUTLINE)
    if written is not None and written != _outline(schema, footer.num_rows):
        raise ValueError("its footer has changed")
    return schema


def _outline(schema: pa.Schema, rows: int) -> bytes:
    """Digest of the names and types of columns, the number of rows and the metadata."""
    own = sorted((key, value) for key, value in (schema.metadata or {}).items() if key != OUTLINE)
    said = [schema.remove_metadata().to_string(show_field_metadata=False), rows, own]
    return hashlib.sha256(repr(said).encode()).hexdigest().encode()


def _as_read(schema: pa.Schema) -> pa.Schema:
    """A schema as it comes back from Parquet, which names the items of lists."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    return pq.read_schema(buffer)
