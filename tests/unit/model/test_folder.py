"""A user's model folder: every missing, truncated or unsafe file is named."""

import hashlib
import json
from pathlib import Path

import pytest
from builders.model_folder import WEIGHTS
from builders.model_settings import WHERE
from builders.silent import SilentBar

from kvbench.errors import UserError
from kvbench.model.folder import check_folder, file_digests
from kvbench.model.local import find_folder


@pytest.mark.engine
def test_path_is_absolute(model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(model_folder.parent)
    assert find_folder("mine", "m") == model_folder


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no .*safetensors; convert"),
        ("tokenizer.json", "has no tokenizer"),
    ],
)
def test_path_lacks_a_file(model_folder: Path, file: str, message: str):
    (model_folder / file).unlink()
    with pytest.raises(UserError, match=rf"models\.m\.path: .*{message}"):
        find_folder(str(model_folder), "m")


def test_pickled_weights_are_refused(model_folder: Path):
    (model_folder / "model.safetensors").rename(model_folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        find_folder(str(model_folder), "m")


def test_path_that_is_no_folder(tmp_path: Path):
    with pytest.raises(UserError, match=r"models\.m\.path: no folder .*nowhere; give a folder"):
        find_folder(str(tmp_path / "nowhere"), "m")


def test_missing_shard_is_named(model_folder: Path):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (model_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"lacks model-2\.safetensors"):
        check_folder(model_folder, WHERE)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_pointer_in_place_of_a_file_is_called_one(model_folder: Path, name: str):
    (model_folder / name).write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 538090408\n"
    )
    with pytest.raises(UserError, match=rf"models\.m: .*{name} is a Git LFS pointer.*git lfs pull"):
        check_folder(model_folder, WHERE)


@pytest.mark.engine
@pytest.mark.parametrize(
    "content", [WEIGHTS[:-1], WEIGHTS[:20], WEIGHTS + b"x", b"", b"<!DOCTYPE html><html>Entry not found</html>"]
)
def test_weights_that_are_not_whole_are_named(model_folder: Path, content: bytes):
    (model_folder / "model.safetensors").write_bytes(content)
    with pytest.raises(
        UserError, match=rf"model\.safetensors \({len(content)} bytes\) is truncated or not a safetensors"
    ):
        check_folder(model_folder, WHERE)


@pytest.mark.engine
def test_a_shard_of_another_model_is_named(model_folder: Path):
    (model_folder / "model.safetensors.index.json").write_text('{"weight_map": {"other": "model.safetensors"}}')
    with pytest.raises(UserError, match=r"model\.safetensors lacks tensor other"):
        check_folder(model_folder, WHERE)


def test_remote_code_is_refused(model_folder: Path):
    (model_folder / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(UserError, match="auto_map"):
        check_folder(model_folder, WHERE)


def test_digests_of_a_folder(model_folder: Path):
    bar = SilentBar()
    digests = file_digests(model_folder, lambda total, unit: bar)
    assert digests["model.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert sorted(digests) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert sum(bar.seen) == sum(file.stat().st_size for file in model_folder.iterdir())
