"""Folders that take no file, before a call begins."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kvbench.errors import UserError
from kvbench.preflight import writable
from kvbench.preflight.writable import require_writable


def test_folders_that_take_files_are_left_as_they_are(tmp_path: Path) -> None:
    require_writable([tmp_path / "new/deep/run.json", tmp_path / "run.json"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "no space left on the disk; free some and run again"),
        (errno.EDQUOT, "no space left on the disk; free some and run again"),
        (errno.EACCES, r"cannot be written to \(permission denied\); change that, or run in another folder"),
        (errno.EROFS, r"cannot be written to \(read-only file system\); change that, or run in another folder"),
    ],
)
def test_the_nearest_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, line: str) -> None:
    def refuse(**_: object) -> None:
        raise OSError(number, "…")

    monkeypatch.setattr(writable.tempfile, "TemporaryFile", refuse)
    with pytest.raises(UserError, match=rf"^{tmp_path}: {line}$"):
        require_writable([tmp_path / "new/deep/run.json"])
