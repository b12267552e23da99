"""A YAML file that cannot be read is refused in one line with the file and the line of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from builders.overlaid import overlaid
from builders.places import ROOT
from builders.refusals import refused

from kvbench.config.parameters import ordered
from kvbench.errors import UserError
from kvbench.yaml_files import DEEPEST, LAST, parse_value, read_stored, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 10)}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: 1\nb: [1,\n", r"line 3: not valid YAML .*; correct it there or just above"),
        (b"a:\n\t- b\n", r"line 2: not valid YAML .*"),
        (b"a: 1\nb: {c: 1, c: 2}\n", r"line 2: key c is written twice; keep one"),
        (b"a: 1\nb: \xff\n", r"line 2: not UTF-8 text; save it as UTF-8"),
        (b"a: 1\nb: caf\xe9\n", r"line 2: not UTF-8 text; save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), r"line 1: UTF-16 or UTF-32 text; save it as UTF-8"),
        ("a: 1\n".encode("utf-16-le"), r"line 1: UTF-16 or UTF-32 text; save it as UTF-8"),
        ("a: 1\n".encode("utf-32"), r"line 1: UTF-16 or UTF-32 text; save it as UTF-8"),
        (b"a: 1\nb: &x [*x]\n", r"line 2: a value contains itself; write it out without the alias \(\*\)"),
        (b"a: 1\nb: &x {c: *x}\n", r"line 2: a value contains itself; .*"),
        (b"a: *x\n", r"line 1: not valid YAML \(.*\); .*"),
        (b"a: 1\nb: " + b"[" * 60 + b"]" * 60, r"line 2: lists or mappings nest too deep; write fewer levels"),
        pytest.param(b"a: 1\nb: " + b"[" * 100_000, r"line 2: .*", id="open"),
        pytest.param(b"a: 1\nb: " + b"[" * 100_000 + b"]" * 100_000, r"line 2: .*", id="deep"),
        pytest.param(BOMB.encode(), r"line \d: more than 100000 values; if aliases .*", id="bomb"),
        (b"a: 1\nb: 2026-13-01\n", r"line 2: 2026-13-01 cannot be read \(month must be in 1..12\); write it in quotes"),
        pytest.param(b"a: 1\nb: " + b"9" * 5000, r"line 2: a number of 5000 digits; write a smaller one", id="digits"),
        pytest.param(b"a: 1\nb: 0x" + b"f" * 5000, r"line 2: a number of 5002 digits; .*", id="hexadecimal"),
        (b"a: 1\nb: !!int x\n", r"line 2: x cannot be read .*"),
        (b"a: 1\nb: !!python/object/apply:os.system [id]\n", r"line 2: not valid YAML .*"),
        (b"a: 1\nb: \x07\n", r"line 2: not valid YAML .*"),
        (b"a: 1\n? [b]\n: 1\n", r"line 2: not valid YAML .*"),
        (b"a: 1\n---\nb: 1\n", r"line 2: not valid YAML .*"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with refused(rf"^{path}: {line}$"):
        read_yaml(path)


def test_files_that_are_not_there_or_folders(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.yaml"):
        with refused(rf"^{path}: .*; give a file that can be read$"):
            read_yaml(path)


def test_aliases_and_other_encodings_of_utf_8_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes("a: &x [1, é]\nb: *x\n".encode("utf-8-sig"))
    assert read_yaml(path) == {"a": [1, "é"], "b": [1, "é"]}
    nested = "[" * DEEPEST + "]" * DEEPEST
    path.write_text(nested)
    assert str(read_yaml(path)) == nested


def test_every_file_of_ours_is_within_the_limits() -> None:
    for folder in ("config", "schemas", "profiles"):
        for path in (ROOT / folder).rglob("*.yaml"):
            assert read_yaml(path)


def test_values_of_the_command_line() -> None:
    assert parse_value("{a: [1, 2]}") == {"a": [1, 2]}
    assert parse_value("a: b: c") == "a: b: c"
    with refused(r"^--config: line 1: a value contains itself; .*"):
        parse_value("&x [*x]", "--config")
    with refused(r"^--config: .*nest too deep; .*"):
        parse_value("[" * 60 + "]" * 60, "--config")
    with refused(r"^--config: .*nest too deep; .*"):
        parse_value("[" * 5000 + "]" * 5000, "--config")


@pytest.mark.parametrize("content", ["", "a: 1\n", "- workloads\n", "block_size: auto\nruns: []\n"])
def test_a_stored_configuration_that_is_not_whole(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=r"config\.yaml: not the whole configuration of a run; delete it and run again"):
        read_stored(tmp_path / "config.yaml")


def test_the_stored_configuration_ends_with_the_key_that_is_looked_for(tmp_path: Path) -> None:
    settings = ordered(overlaid())
    assert list(settings)[-1] == LAST
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    assert read_stored(tmp_path / "config.yaml") == settings
