"""Whether the files of a prepared model are still those that were found."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from builders.model_folder import write_model_folder

from kvbench.errors import UserError
from kvbench.files import write_json
from kvbench.model import contents
from kvbench.model.contents import HEAD_BYTES, NAME, changes, check, remember
from kvbench.model.folder import file_digests
from kvbench.model.record import Architecture, ModelRecord
from kvbench.preflight.prepared import Prepared

ARCHITECTURE = Architecture(2, 4, 2, 32, 128, 512, 1000, 128)


def prepared(tmp_path: Path, source: str = "path") -> ModelRecord:
    """A model of the user's, or one below the folder of model.json."""
    folder = tmp_path / "resources/models/m"
    folder.mkdir(parents=True)
    path = write_model_folder(tmp_path / "mine" if source == "path" else folder / "model")
    (path / "model.safetensors").write_bytes(bytes(2 * HEAD_BYTES))
    (folder / "tokenizer.json").write_text("{}")
    record = ModelRecord("m", source, path, True, "auto", ARCHITECTURE, file_digests(path), None, folder)
    remember(record)
    write_json(folder / "model.json", record.to_json())
    return ModelRecord.load(folder / "model.json")


def rewrite(path: Path, place: int, stamp: bool = True) -> None:
    """Change a byte; without a new time stamp if not `stamp`."""
    content, before = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before + stamp, before + stamp))


def names(record: ModelRecord) -> list[tuple[str, bool]]:
    return [(one.path.name, one.missing) for one in changes(record)]


def read_again(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read whole from now on."""
    read, whole = [], contents.State.of.__func__
    monkeypatch.setattr(
        contents.State, "of", classmethod(lambda cls, path, *given: read.append(Path(path)) or whole(cls, path, *given))
    )
    return read


def test_nothing_is_read_whole_while_nothing_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = prepared(tmp_path)
    read = read_again(monkeypatch)
    assert names(record) == []
    assert read == []


@pytest.mark.parametrize("place", [0, HEAD_BYTES + 7])
def test_weights_with_another_byte(tmp_path: Path, place: int) -> None:
    record = prepared(tmp_path)
    rewrite(record.path / "model.safetensors", place)
    assert names(record) == [("model.safetensors", False)]


def test_other_weights_of_the_same_size_and_time_stamp(tmp_path: Path) -> None:
    record = prepared(tmp_path)
    rewrite(record.path / "model.safetensors", 9, stamp=False)
    assert names(record) == [("model.safetensors", False)]


def test_a_touched_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = prepared(tmp_path)
    os.utime(record.path / "model.safetensors")
    read = read_again(monkeypatch)
    assert changes(record, restamp=True) == []
    assert record.path / "model.safetensors" in read
    read.clear()
    assert names(record) == []
    assert read == []


def test_lost_and_added_files(tmp_path: Path) -> None:
    record = prepared(tmp_path)
    (record.folder / "tokenizer.json").unlink()
    (record.path / "config.json").unlink()
    (record.path / "generation_config.json").write_text("{}")
    assert sorted(names(record)) == [("config.json", True), ("generation_config.json", False), ("tokenizer.json", True)]


def test_a_moved_checkout_has_the_same_files(tmp_path: Path) -> None:
    prepared(tmp_path, "package")
    (tmp_path / "resources").rename(tmp_path / "moved")
    assert names(ModelRecord.load(tmp_path / "moved/models/m/model.json")) == []


def test_without_files_json_the_digests_of_model_json_count(tmp_path: Path) -> None:
    record = prepared(tmp_path)
    (record.folder / NAME).unlink()
    assert names(record) == []
    rewrite(record.path / "model.safetensors", HEAD_BYTES + 1)
    assert names(record) == [("model.safetensors", False)]


@pytest.mark.parametrize("content", ["{}x", "[]", '{"a": 3}', '{"a": {"bytes": 1}}'])
def test_a_broken_files_json(tmp_path: Path, content: str) -> None:
    record = prepared(tmp_path)
    (record.folder / NAME).write_text(content)
    with pytest.raises(UserError, match=r"files\.json: .*; delete it and run again"):
        changes(record)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("path", r"model\.safetensors has changed since .*model\.json was written; run the same command again"),
        ("package", r"model\.safetensors is not what prepare_model wrote \(its content has changed\); delete it and"),
    ],
)
def test_a_run_does_not_load_other_weights(tmp_path: Path, source: str, told: str) -> None:
    record = prepared(tmp_path, source)
    check(record)
    rewrite(record.path / "model.safetensors", HEAD_BYTES + 1)
    with pytest.raises(UserError, match=told):
        check(record)


def test_a_run_does_not_load_a_model_without_a_file(tmp_path: Path) -> None:
    record = prepared(tmp_path, "package")
    (record.path / "config.json").unlink()
    with pytest.raises(UserError, match=r"config\.json is gone since .*; run the same command again"):
        check(record)


def test_a_changed_folder_of_the_users_is_prepared_again(tmp_path: Path) -> None:
    record = prepared(tmp_path)
    file = str(record.folder / "model.json")
    assert Prepared([file, "elsewhere/model.json"], restamp=False).outdated == []
    rewrite(record.path / "model.safetensors", HEAD_BYTES + 1)
    found = Prepared([file], restamp=False)
    assert (found.outdated, found.damaged) == ([file], [])


def test_a_lost_file_of_ours_is_made_again_and_a_changed_one_is_told(tmp_path: Path) -> None:
    record = prepared(tmp_path, "package")
    file = str(record.folder / "model.json")
    weights = record.path / "model.safetensors"
    rewrite(weights, HEAD_BYTES + 1)
    found = Prepared([file], restamp=False)
    assert found.outdated == []
    assert [one.line() for one in found.damaged] == [
        f"{weights} is not what prepare_model wrote (its content has changed); delete it and run the same command again"
    ]
    weights.unlink()
    found = Prepared([file], restamp=False)
    assert (found.outdated, found.damaged) == ([file], [])


def test_a_broken_model_json_is_left_to_its_manifest(tmp_path: Path) -> None:
    record = prepared(tmp_path)
    (record.folder / "model.json").write_text("{")
    found = Prepared([str(record.folder / "model.json")], restamp=True)
    assert (found.outdated, found.damaged) == ([], [])


def test_the_record_has_no_times(tmp_path: Path) -> None:
    """Runs are stale after another model.json: a touched model must not change it."""
    record = prepared(tmp_path)
    before = record.to_json()
    os.utime(record.path / "model.safetensors")
    assert replace(record, files=file_digests(record.path)).to_json() == before
