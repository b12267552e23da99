"""Temporary folders with an owner."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.places import IMPORT_PATH

from kvbench.errors import UserError
from kvbench.lifetime import scratch

OWNER = """
import sys
from kvbench.lifetime import scratch
print(scratch.make(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s") as folder:
        monkeypatch.setenv(scratch.BASE, folder)
        yield Path(folder)


def owner(base: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH, "TMPDIR": str(base)}
    command = [sys.executable, "-c", OWNER]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_only_folders_whose_owner_is_dead_are_swept(base: Path) -> None:
    (base / "kvbench-withouta").mkdir()  # nobody knows whose it is
    (base / "other").mkdir()
    with owner(base) as alive, owner(base) as dead:
        kept, swept = (Path(one.stdout.readline().strip()) for one in (alive, dead))
        (swept / "deep").mkdir()
        assert scratch.sweep() == []
        dead.kill()
        dead.wait()
        assert scratch.sweep() == [swept]
        assert sorted(path.name for path in base.iterdir()) == sorted([kept.name, "kvbench-withouta", "other"])
        alive.kill()


def test_links_and_what_belongs_to_others_is_not_touched(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with owner(base) as dead:
        folder = Path(dead.stdout.readline().strip())
        dead.kill()
    (base / "kvbench-linktoit").symlink_to(folder)
    monkeypatch.setattr(scratch.os, "getuid", lambda: 12345)
    assert scratch.sweep() == []
    monkeypatch.undo()
    monkeypatch.setenv(scratch.BASE, str(base))
    assert scratch.sweep() == [folder]


def test_a_folder_for_sockets_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(scratch.BASE, "/tmp/" + 60 * "x")
    assert scratch.make() is None


def test_the_folder_for_locks_is_private(base: Path) -> None:
    folder = base / f"kvbench-{os.getuid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    assert scratch.lock_folder() == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_for_locks_of_another_user_is_not_used(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone may take our name under the temporary folder; a link counts as taken, too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "cache"))
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (base / f"kvbench-{os.getuid()}").symlink_to(elsewhere)
    folder = scratch.lock_folder()
    assert folder.parent == base / "cache/kvbench"
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    with pytest.raises(UserError, match=r"belongs to another user, and /proc/.* cannot be used; set TMPDIR"):
        scratch.lock_folder()


def test_a_folder_in_use_is_that_of_libraries_until_it_is_left(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    environment: dict[str, str] = {}
    folder = scratch.make()
    scratch.use(folder, environment)
    assert tempfile.gettempdir() == environment["TMPDIR"] == str(folder)
    assert environment[scratch.BASE] == str(base) == str(scratch.base())
    scratch.leave()
    assert not folder.exists()
