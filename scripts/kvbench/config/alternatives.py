"""The alternatives of a schema (`oneOf`), distinguished by the one key that has a different constant in each."""

from __future__ import annotations

from typing import Any


def names(alternatives: list[dict]) -> tuple[str, list[str]]:
    """The key that distinguishes the alternatives (`source` or `kind`) and its value in each of them."""
    key = next(key for key, sub in alternatives[0]["properties"].items() if "const" in sub)
    return key, [one["properties"][key]["const"] for one in alternatives]


def chosen(value: Any, alternatives: list[dict]) -> int | None:
    """Index of the alternative that `value` names; None if it names none."""
    key, known = names(alternatives)
    name = value.get(key) if isinstance(value, dict) else None
    return known.index(name) if name in known else None
