"""The report's claims, grouped by verdict: those with an interval one by one, the others folded by their reason."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from kvbench.analysis.claims import NOT_MEASURABLE, NOT_SUPPORTED, SUPPORTED
from kvbench.report.cells import NONE
from kvbench.report.folds import Fold, shown

# In the order of the page, each with the badge's class.
BADGES = {SUPPORTED: "yes", NOT_SUPPORTED: "no", NOT_MEASURABLE: "open"}
ROWS = {
    "measured": "measured",
    "engine / over": "engine / over",
    "supported if": "supported if",
    "reason": "why",
    "published, other systems": "published, other systems",
}


@dataclass(frozen=True)
class Claim:
    """A claim as the page shows it: its statement, how it was tested, and the measured and published values by name."""

    statement: str
    reading: str
    facts: dict[str, str]


@dataclass(frozen=True)
class Group:
    """The claims of one verdict; `count` includes the folded ones."""

    verdict: str
    badge: str
    count: int
    claims: list[Claim]
    folds: list[Fold]


def groups(table: pd.DataFrame) -> list[Group]:
    """A group for each verdict that occurs in rows of claims.csv, of one model and workload."""
    view = shown("claims", table)
    counts = count(table)
    return [
        Group(
            verdict,
            BADGES[verdict],
            number_of,
            [_claim(row) for row in view.rows.to_dict("records") if row["verdict"] == verdict],
            view.folds if verdict == NOT_MEASURABLE else [],
        )
        for verdict, number_of in counts.items()
        if number_of
    ]


def count(table: pd.DataFrame) -> dict[str, int]:
    """The number of claims with each verdict, in the order of the page."""
    return {verdict: int((table["verdict"] == verdict).sum()) for verdict in BADGES}


def _claim(row: dict[str, str]) -> Claim:
    facts = {name: row[key] for key, name in ROWS.items() if row.get(key, NONE) != NONE}
    return Claim(row["statement"], row.get("tested as", ""), facts)
