"""Models in installed packages: found without an import, pinned by digest, written completely or not at all."""

import hashlib
import sys
from pathlib import Path

import pytest
from builders.model_settings import WHERE

from kvbench.errors import UserError
from kvbench.model import package
from kvbench.model.prepare import prepare_model


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages folder with metadata and a module that must not be imported."""
    module = tmp_path / "weights_for_tests"
    module.mkdir()
    (module / "__init__.py").write_text("raise ImportError('must not be imported')\n")
    (module / "w.gguf").write_bytes(b"GGUF weights")
    info = tmp_path / "weights_for_tests-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weights-for-tests\nVersion: 1.5\n")
    (info / "RECORD").write_text("weights_for_tests/__init__.py,,\nweights_for_tests/w.gguf,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def find(version: str | None = "1.5", file: str = "w.gguf", name: str = "weights-for-tests") -> Path:
    return package.find_packaged_file(name, version, file, WHERE)


def test_package_is_found_and_not_imported(site: Path):
    assert find() == site / "weights_for_tests" / "w.gguf"
    assert "weights_for_tests" not in sys.modules


def test_package_without_its_metadata_is_found(site: Path):
    (site / "weights_for_tests-1.5.dist-info").rename(site / "gone")
    (site / "weights_for_tests" / "__init__.py").unlink()
    assert find("9.9") == site / "weights_for_tests" / "w.gguf"


def test_package_faults_are_named(site: Path):
    with pytest.raises(UserError, match=r"models\.m\.version: weights-for-tests 1\.5 is installed, not 1\.6"):
        find("1.6")
    with pytest.raises(UserError, match=r"models\.m\.file: weights-for-tests has no x\.gguf"):
        find(file="x.gguf")
    with pytest.raises(UserError, match=r"models\.m\.package: no-such-weights is not installed"):
        find(name="no-such-weights")


def test_digest(site: Path):
    file = find()
    actual = hashlib.sha256(b"GGUF weights").hexdigest()
    package.check_digest(file, actual.upper(), WHERE)
    with pytest.raises(UserError, match=rf"models\.m\.sha256: .*{actual}, not 00"):
        package.check_digest(file, "00", WHERE)
    with pytest.raises(UserError, match=rf"sha256: missing.*{actual}"):
        package.check_digest(file, "", WHERE)


def test_a_wrong_digest_writes_nothing(site: Path, tmp_path: Path):
    settings = {"source": "package", "package": "weights-for-tests", "file": "w.gguf", "sha256": "00"}
    with pytest.raises(UserError, match="sha256"):
        prepare_model(settings, "m", tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Part:
    """An object with save_pretrained, optionally interrupted halfway."""

    def __init__(self, name: str, interrupted: bool = False) -> None:
        self.name, self.interrupted = name, interrupted

    def save_pretrained(self, folder: Path) -> None:
        (folder / self.name).write_text(self.name)
        if self.interrupted:
            raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_old_folder(tmp_path: Path):
    target = tmp_path / "model"
    package._write_whole(target, Part("first"))
    (tmp_path / ".model.tmp").mkdir()  # left by a killed job
    with pytest.raises(KeyboardInterrupt):
        package._write_whole(target, Part("second"), Part("third", interrupted=True))
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*")] == ["model", "model/first"]
    package._write_whole(target, Part("second"))
    assert [file.name for file in target.iterdir()] == ["second"]
