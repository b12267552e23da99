"""Full disks, folders that cannot be written to, and files that are missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders.faulty import WORKLOAD, run_file
from builders.small_disk import SmallDisk, can_mount
from builders.stopping_at import stopping_at

# Root writes to any folder; without this capability it is held to permissions as others are.
AS_OTHERS = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()
FULL = "no space left on the disk; free some and run again"


@pytest.fixture
def disk(tree: Path, tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk with a copy of the project, its run still to do."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if not can_mount(mount):
        pytest.skip("this system lets no user mount a disk of his own (user namespaces)")
    made = SmallDisk(tree, mount)
    shutil.rmtree(made.path / "results/runs", ignore_errors=True)
    yield made
    made.close()


def test_a_disk_that_fills_during_a_run(call, outcome, goes_on, disk: SmallDisk, tree: Path, tmp_path: Path) -> None:
    """Results, logs and Snakemake's own files are on it."""
    hook = stopping_at("write", tree, tmp_path)
    one = call("hf-batch", folder=disk.path, prefix=disk.prefix, **hook).stopped()
    disk.fill()
    one.job()[1].resume()
    assert one.end() == 1
    told = one.said("run_traditional")
    assert told == f"{one.label}: {run_file('hf-batch', 'requests.parquet')}: {FULL}"
    disk.free()
    assert one.left() == []
    outcome("a disk that is full when a run writes its files", told)
    goes_on(one)


@pytest.mark.long
def test_a_disk_that_is_full(call, outcome, goes_on, disk: SmallDisk) -> None:
    disk.fill()
    one = call("hf-batch", folder=disk.path, prefix=disk.prefix)
    assert one.end() == 1
    told = one.screen()[-1].partition(": ")
    assert (Path(told[0]).name, told[2]) == ("log", FULL)
    disk.free()
    assert one.left() == []
    outcome("a disk that is full when a call begins", f"….snakemake/log: {told[2]}")
    goes_on(one)


def test_a_folder_that_cannot_be_written_to(call, outcome, goes_on, tree: Path) -> None:
    folder = tree / "results/runs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o555)
    one = call("hf-batch", prefix=(*AS_OTHERS, "env", "-C", str(tree)))
    assert one.end() == 1
    told = one.screen()[-1]
    assert told == f"{folder}: cannot be written to (permission denied); change that, or run in another folder"
    assert one.left() == []
    outcome("a folder of results that is read-only", told.replace(f"{tree}/", "…/"))
    folder.chmod(0o755)
    goes_on(one)


@pytest.mark.long
def test_a_table_of_requests_that_is_missing(call, outcome, goes_on, tree: Path) -> None:
    """It is made again."""
    (tree / WORKLOAD).unlink()
    shutil.rmtree(tree / "results/runs", ignore_errors=True)
    one = call("hf-batch", "--dry-run")
    assert one.end() == 0
    assert "make_workload tiny mine" in one.screen()
    goes_on(one)
    outcome("a missing table of requests", "", "the table, made again, and a complete run")


@pytest.mark.long
def test_a_file_of_the_user_that_is_missing(call, outcome, goes_on, tree: Path) -> None:
    shutil.rmtree(tree / "results/runs", ignore_errors=True)
    own = (tree / "my.jsonl").rename(tree / "other.jsonl")
    one = call("hf-batch")
    assert one.end() == 1
    told = one.screen()[-1]
    assert told == 'own.yaml: workloads.mine.file: no file "my.jsonl"; give one that exists'
    assert one.left() == []
    outcome("a missing file of the user", told)
    own.rename(tree / "my.jsonl")
    goes_on(one)
