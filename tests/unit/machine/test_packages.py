"""Package versions are read without importing the packages."""

import sys
from pathlib import Path

import pytest

from kvbench.machine.packages import package, package_versions


def test_versions_of_installed_packages_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "some_engine-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-engine\nVersion: 1.2\n")
    monkeypatch.setattr(sys, "path", [str(info.parent), *sys.path])
    package_versions.cache_clear()
    assert package_versions("some-engine", "no-such-engine") == ["some-engine==1.2"]


def test_package_is_found_under_either_distribution_and_not_imported():
    found = package(("no-such-distribution", "nvidia-ml-py"), "pynvml")
    assert Path(found["file"]).name == "pynvml.py"
    assert found["version"][0].isdigit()
    assert package(("no-such-distribution",), "pynvml") is None
