"""Parquet files: no changed bit is read as other data."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders.flipped import flip_bits
from builders.runs import write_run

from kvbench.errors import UserError
from kvbench.files import parquet_columns, read_batches, read_parquet, write_parquet

FLIPS = 1000
LISTS = pa.table({"a": [[1, 2], []], "b": [{"c": 1.5}, None]}).replace_schema_metadata({"mine": "kept"})


def test_a_changed_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    write_run(tmp_path, "vllm", repeats=1)
    found = flip_bits(next(tmp_path.rglob("requests.parquet")), FLIPS)
    assert found["refused"] + found["equal"] == FLIPS
    assert found["refused"] > FLIPS / 2


def test_a_changed_page_is_refused_by_each_reader(tmp_path: Path) -> None:
    path = tmp_path / "numbers.parquet"
    write_parquet(path, pa.table({"a": pa.array(range(10_000), pa.int64())}))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    for read in (read_parquet, lambda path: list(read_batches(path, ["a"]))):
        with pytest.raises(UserError, match="not valid Parquet"):
            read(path)


def test_a_column_by_another_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.parquet"
    write_parquet(path, pa.table({"prompt_tokens": [1]}))
    path.write_bytes(path.read_bytes().replace(b"prompt_tokens", b"prompt_tokenS"))
    for read in (read_parquet, parquet_columns):
        with pytest.raises(UserError, match=r"its footer has changed.*; delete it and run again"):
            read(path)


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    write_parquet(tmp_path / "lists.parquet", LISTS)
    found = read_parquet(tmp_path / "lists.parquet")
    assert found.equals(LISTS)
    assert found.schema.metadata == {b"mine": b"kept"}
    assert parquet_columns(tmp_path / "lists.parquet") == ["a", "b"]
    [batch] = read_batches(tmp_path / "lists.parquet", ["b"])
    assert batch.to_pydict() == {"b": [{"c": 1.5}, None]}


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    pq.write_table(LISTS, tmp_path / "old.parquet")
    assert read_parquet(tmp_path / "old.parquet").equals(LISTS)


@pytest.mark.parametrize("read", [read_parquet, parquet_columns, lambda path: list(read_batches(path, ["a"]))])
def test_a_missing_or_emptied_file(tmp_path: Path, read) -> None:
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(UserError, match="not valid Parquet"):
        read(tmp_path / "a.parquet")
