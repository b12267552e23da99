"""The record of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvbench.errors import UserError
from kvbench.machine.recorded import read_environment


def test_a_whole_record_is_read(tmp_path: Path) -> None:
    (tmp_path / "environment.json").write_text('{"device": null, "cpu": {}}')
    assert read_environment(tmp_path / "environment.json") == {"device": None, "cpu": {}}


@pytest.mark.parametrize("content", ["{}", '{"device": "cpu"}', "[]", "3", ""])
def test_a_record_that_is_not_whole(tmp_path: Path, content: str) -> None:
    (tmp_path / "environment.json").write_text(content)
    with pytest.raises(UserError, match=r"environment\.json: .*; delete it and run again"):
        read_environment(tmp_path / "environment.json")
