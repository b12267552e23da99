"""A map file as a page embeds it."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

import pytest

from kvbench.blockmap import load
from kvbench.errors import UserError


def test_a_map_is_named_by_its_path_and_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m-1.5" / "mixed.v2.json.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(b"{}", mtime=0))
    found = load(path)
    assert (found.model, found.workload) == ("m-1.5", "mixed.v2")
    assert gzip.decompress(base64.b64decode(found.data)) == b"{}"


def test_a_rate_is_part_of_the_name(tmp_path: Path) -> None:
    for point, name in (
        ("requests_per_s-0.5", "mixed, 0.5 requests/s"),
        ("requests_per_s-file", "mixed, arrivals of its file"),
    ):
        path = tmp_path / "m" / "mixed" / f"{point}.json.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"{}"))
        assert (load(path).model, load(path).workload) == ("m", name)


def test_a_missing_or_broken_map_is_refused_with_its_name(tmp_path: Path) -> None:
    broken = tmp_path / "w.json.gz"
    broken.write_text("{}")
    with pytest.raises(UserError, match=r"w\.json\.gz: not a whole gzip file"):
        load(broken)
    with pytest.raises(UserError, match=r"other\.json\.gz: no such file"):
        load(tmp_path / "other.json.gz")
