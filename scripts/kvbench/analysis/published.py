"""Values published in papers, from config/published.yaml: shown beside ours, never used as thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.yaml_files import check_keys, check_list, read_yaml

KEYS = {"value": object, "label": str, "conditions": str, "source": str}
OPTIONAL = {"over": str, "where": dict}


@dataclass(frozen=True)
class Published:
    """A published value; `low` and `high` are equal for a single number."""

    low: float
    high: float
    label: str
    conditions: str
    source: str
    over: str  # denominator of a ratio; empty if the value is not a ratio
    where: Mapping[str, Any] = field(default_factory=dict)  # columns of our table and their values, or lists of them

    def applies(self, row: Mapping[str, Any]) -> bool:
        """Whether the value may be shown beside a row of our table; None in `where` is an empty cell."""
        return all(_is(row[column], value) for column, value in self.where.items())


def _is(cell: Any, value: Any) -> bool:
    """Whether a cell has this value or, where it is a list, one of these."""
    if isinstance(value, list):
        return any(_is(cell, one) for one in value)
    return cell is None or cell != cell if value is None else bool(cell == value)


def read_published(path: str | Path, quantity: str) -> list[Published]:
    """The published values of a quantity, in the file's order; UserError if the file lacks it or a key."""
    given = read_yaml(path)
    entries = given.get(quantity) if isinstance(given, Mapping) else None
    check_list(f"{path}: {quantity}", entries, dict)
    return [_entry(f"{path}: {quantity}[{i}]", entry) for i, entry in enumerate(entries)]


def _entry(at: str, entry: dict) -> Published:
    check_keys(at, entry, KEYS, OPTIONAL)
    value = entry["value"]
    values = value if isinstance(value, list) else [value, value]
    check_list(f"{at}: value", values, float)
    if len(values) != 2:
        raise UserError(f"{at}: value: {value!r} is neither a number nor a range; write [low, high]")
    low, high = values
    texts = (entry[key] for key in ("label", "conditions", "source"))
    return Published(float(low), float(high), *texts, entry.get("over", ""), entry.get("where", {}))
