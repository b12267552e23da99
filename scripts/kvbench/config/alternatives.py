"""Alternatives of a schema (`oneOf`), told apart by the one key that has a value of its own in each of them."""

from __future__ import annotations

from typing import Any


def names(alternatives: list[dict]) -> tuple[str, list[str]]:
    """The key that tells alternatives apart, `source` or `kind`, and its value in each of them."""
    key = next(key for key, sub in alternatives[0]["properties"].items() if "const" in sub)
    return key, [one["properties"][key]["const"] for one in alternatives]


def chosen(value: Any, alternatives: list[dict]) -> int | None:
    """Number of the alternative that a value names, None where it names none."""
    key, known = names(alternatives)
    name = value.get(key) if isinstance(value, dict) else None
    return known.index(name) if name in known else None
