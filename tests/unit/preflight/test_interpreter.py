"""Snakemake starts scripts with an unquoted interpreter path."""

from pathlib import Path

import pytest

from kvbench.errors import UserError
from kvbench.preflight.interpreter import startable


@pytest.mark.parametrize("name", ["two words", "it's", "a$b", "a(b)"])
def test_a_link_to_an_environment_is_followed_where_its_own_path_needs_quotes(tmp_path: Path, name: str) -> None:
    environment, odd = tmp_path / "environment", tmp_path / name
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to("/usr/bin/env")
    odd.mkdir()
    (odd / ".venv").symlink_to(environment)
    assert startable(str(odd / ".venv/bin/python")) == str(environment / "bin/python")
    (odd / "bin").mkdir()
    with pytest.raises(UserError, match=r"bin/python: Snakemake cannot start .*; remove .venv and run make setup"):
        startable(str(odd / "bin/python"))


def test_a_plain_path_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert startable(str(tmp_path / "link/python")) == str(tmp_path / "link/python")
