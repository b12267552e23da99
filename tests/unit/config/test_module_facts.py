"""What is remembered of a file is what parsing it gives, and nothing that is wrong, lost or unwritable matters."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from kvbench.config import module_facts
from kvbench.config.module_facts import ModuleFacts, RememberedFacts

SOURCE = 'from . import near\nimport kvbench.far, os\nCLASS = "kvbench.named.Class"\n'
NAMES = ("kvbench", "kvbench.far", "kvbench.named", "kvbench.named.Class", "kvbench.near")


@pytest.fixture(autouse=True)
def _written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "kvbench").mkdir()
    (tmp_path / "kvbench/one.py").write_text(SOURCE)
    return tmp_path / "kvbench/one.py"


def facts(path: Path) -> ModuleFacts:
    """As a new process has them."""
    remembered = RememberedFacts(next(one.parent for one in path.parents if one.name == "kvbench"))
    found = remembered.of(path)
    remembered.save()
    return found


def kept(path: Path) -> Path:
    [file] = path.parent.glob("__pycache__/module_facts.*.json")
    return file


def test_the_names_of_a_file_are_absolute(path: Path) -> None:
    assert facts(path).names == NAMES


def test_a_file_is_parsed_once_for_all_processes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = facts(path)
    monkeypatch.setattr(ast, "parse", None)
    assert facts(path) == first


def test_other_contents_are_parsed_again_and_forgotten(path: Path) -> None:
    first = facts(path)
    path.write_text("x = 1\n")
    assert facts(path) == ModuleFacts(module_facts._parse(b"x = 1\n", "kvbench/one.py").code, ())
    path.write_text(SOURCE)
    assert facts(path) == first
    assert len(json.loads(kept(path).read_text())["files"]) == 1


def test_the_same_contents_elsewhere_have_names_of_their_own(path: Path) -> None:
    facts(path)
    deep = path.parent / "sub/one.py"
    deep.parent.mkdir()
    deep.write_text(SOURCE)
    assert "kvbench.sub.near" in facts(deep).names
    assert facts(path).names == NAMES


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"parser": 1}', '{"parser": "another", "files": {}}', "\xff"])
def test_what_is_kept_may_be_broken_or_of_other_code(path: Path, text: str) -> None:
    first = facts(path)
    whole = kept(path).read_text()
    kept(path).write_text(text, encoding="latin-1")
    assert facts(path) == first
    assert kept(path).read_text() == whole


def test_what_other_code_kept_is_not_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = facts(path)
    record = json.loads(kept(path).read_text())
    record["files"]["kvbench/one.py"]["code"] = "00"
    kept(path).write_text(json.dumps(record))
    assert facts(path).code == "00"  # it is used where the code is the same
    monkeypatch.setattr(module_facts, "_OWN", "another")
    assert facts(path) == first


def test_a_place_that_cannot_be_written_does_not_matter(path: Path) -> None:
    (path.parent / "__pycache__").write_text("a file")
    assert facts(path).names == NAMES


def test_nothing_is_kept_where_python_keeps_no_bytecode(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    facts(path)
    assert not (path.parent / "__pycache__").exists()
