"""The cards of config/cards.yaml, which the capacity page offers by name."""

from __future__ import annotations

from pathlib import Path

from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml


def read_cards(path: str | Path) -> dict[str, int]:
    """Memory in MiB by the card's name; UserError for one that is no whole number."""
    found = (read_yaml(path) or {}).get("cards")
    if not isinstance(found, dict):
        raise UserError(f"{path}: cards: missing; write a mapping of names to their memory in MiB")
    for name, memory_mib in found.items():
        if type(memory_mib) is not int or memory_mib < 1:
            raise UserError(f"{path}: cards.{name}: {memory_mib!r} is no memory; write a whole number of MiB")
    return found
