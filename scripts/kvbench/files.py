"""Read and write the pipeline's files; a file is written completely or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvbench.errors import UserError
from kvbench.parquet_footer import checked_schema, seal, to_seal, unsealed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

FULL = (errno.ENOSPC, errno.EDQUOT)  # no space left on the disk, or of the user's share of it


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` if the block succeeds.

    Raises UserError if the disk is full; no partial file is left behind.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise UserError(f"{path}: no space left on the disk; free some and run again") from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, record: Any) -> None:
    """Write a record as indented JSON with sorted keys; ValueError for NaN."""
    write_text(path, json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n")


@contextmanager
def reading(path: str | Path, kind: str, remedy: str = "delete it and run again") -> Iterator[None]:
    """UserError, which names the file, in place of whatever a library raises for one that is missing or broken.

    `kind` says what the file should be, such as `valid JSON`.
    """
    try:
        yield
    except (MemoryError, UserError):
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the rule that makes it first") from None
    except RecursionError:
        raise UserError(f"{path}: lists or mappings nest too deep; {remedy}") from None
    except OSError as error:
        if error.errno is not None:
            raise UserError(f"{path}: {error.strerror}; give a file that can be read") from None
        raise UserError(f"{path}: not {kind} ({_reason(error)}); {remedy}") from None
    except Exception as error:
        raise UserError(f"{path}: not {kind} ({_reason(error)}); {remedy}") from None


def _reason(error: Exception) -> str:
    """The first line of an error; Arrow's have several."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def read_text(path: str | Path) -> str:
    """Read UTF-8; UserError if the file is missing or not UTF-8."""
    with reading(path, "UTF-8 text"):
        return Path(path).read_text(encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; UserError if it is missing or broken."""
    with reading(path, "valid JSON"):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def read_record(path: str | Path, *needed: str) -> dict[str, Any]:
    """Read a JSON object; UserError if the file is missing, broken or lacks one of the keys."""
    record = read_json(path)
    if not isinstance(record, dict):
        raise UserError(f"{path}: not a JSON object; delete it and run again")
    if missing := [key for key in needed if key not in record]:
        raise UserError(f"{path}: lacks {', '.join(missing)}; delete it and run again")
    return record


def read_table(path: str | Path, separator: str = ",") -> pd.DataFrame:
    """Read a CSV with a header, in which an empty cell is missing; UserError if it is missing, empty or broken."""
    import pandas as pd

    with reading(path, "a valid table"):
        try:
            return pd.read_csv(path, sep=separator, keep_default_na=False, na_values=[""])
        except pd.errors.EmptyDataError:
            raise UserError(f"{path}: empty; delete it and run again") from None


def write_parquet(path: str | Path, table: pa.Table) -> None:
    """Write an Arrow table as Parquet (zstd), with checksums of its pages and footer."""
    import pyarrow.parquet as pq

    with replacing(path) as temporary:
        pq.write_table(to_seal(table), temporary, compression="zstd", write_page_checksum=True)
        seal(temporary)


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file, all of it or some columns; UserError if it is missing, broken or changed."""
    import pyarrow.parquet as pq

    with reading(path, "valid Parquet"):
        checked_schema(path)
        return unsealed(pq.read_table(path, columns=columns, page_checksum_verification=True))


def read_batches(path: str | Path, columns: Sequence[str], rows: int = 1 << 18) -> Iterator[pa.RecordBatch]:
    """Read some columns of a Parquet file `rows` rows at a time to limit memory use; UserError as `read_parquet`."""
    import pyarrow.parquet as pq

    with reading(path, "valid Parquet"):
        checked_schema(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield from file.iter_batches(batch_size=rows, columns=list(columns))


def parquet_columns(path: str | Path) -> list[str]:
    """Names of the columns of a Parquet file; UserError as `read_parquet`."""
    with reading(path, "valid Parquet"):
        return list(checked_schema(path, pages=False).names)


def write_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write a data frame as CSV without its index, floats with six significant digits."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g")


def sha256(path: str | Path, progress: Callable[[int], None] | None = None) -> str:
    """Hex SHA-256 of a file; `progress` is called with the bytes of each chunk."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            if progress:
                progress(len(chunk))
    return digest.hexdigest()
