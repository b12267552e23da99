"""What a user is told is one printable line of limited length, whatever names and values are in it."""

from __future__ import annotations

import pytest

from kvbench.errors import LONGEST, UserError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("own.yaml: seed: too large; lower it", "own.yaml: seed: too large; lower it"),
        ("own.yaml: a\nb: unknown", "own.yaml: a\\nb: unknown"),
        ("r.csv: header \x1b[2J\u2028,é", "r.csv: header \\x1b[2J\\u2028,é"),
    ],
)
def test_control_characters_and_line_breaks_are_written_out(text: str, line: str) -> None:
    assert str(UserError(text)) == line
    assert str(UserError(text)).isprintable()


def test_a_long_line_keeps_its_place_and_its_correction() -> None:
    line = str(UserError(f"r.csv: line 1: {'9' * 5000} is too much; write less"))
    assert len(line) == LONGEST
    assert line.startswith("r.csv: line 1: 9")
    assert line.endswith("9 is too much; write less")
