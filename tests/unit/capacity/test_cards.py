"""The cards that the capacity page offers."""

from pathlib import Path

import pytest
from builders.places import CARDS
from builders.refusals import refused

from kvbench.capacity.cards import read_cards


def test_the_cards_are_named_with_their_memory_in_mib():
    found = read_cards(CARDS)
    assert found["NVIDIA A100 80 GB"] == 80 * 1024
    assert list(found.values()) == sorted(found.values())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "cards: missing"),
        ("cards: {a: 80.5}", r"cards\.a: 80\.5 is no memory"),
        ("cards: {a: 0}", r"cards\.a: 0 is"),
    ],
)
def test_what_is_no_memory_is_refused(tmp_path: Path, text: str, line: str):
    file = tmp_path / "cards.yaml"
    file.write_text(text)
    with refused(line):
        read_cards(file)
