"""Folds rows without values in the report's tables: one line for each reason, which expands to the rows' names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from kvbench.analysis.claims import NOT_MEASURABLE
from kvbench.analysis.tables.attribution import NOT_RUN
from kvbench.benchmarks import targets
from kvbench.figures.data.rates import at_rates, common_rates
from kvbench.report.cells import NONE, number
from kvbench.report.tables.by_name import VIEWS
from kvbench.report.tables.verdicts import targets_view

OWN = "each for a reason of its own"
SCOPES = {"all": "all", "sequential": "subset"}


@dataclass(frozen=True)
class Fold:
    """Rows without values for the same reason."""

    line: str
    names: list[str]


@dataclass(frozen=True)
class Shown:
    """A table as the report shows it: rows of text, and the folded rows."""

    rows: pd.DataFrame
    folds: list[Fold]


def shown(name: str, table: pd.DataFrame) -> Shown:
    """The table of VIEWS with this name, from rows of results/tables/<name>.csv."""
    view = VIEWS[name](table)
    return FOLDED[name](table, view) if name in FOLDED else _without_blank(view)


def _fold(
    view: pd.DataFrame, empty: pd.Series, reasons: Iterable[str], names: Iterable[str], line: Callable[[int, str], str]
) -> Shown:
    """The rows of `view` that are not `empty`, and a Fold per reason of the others; `line` words it for a count."""
    groups: dict[str, list[str]] = {}
    for is_empty, reason, name in zip(empty, reasons, names, strict=True):
        if is_empty:
            groups.setdefault(reason, []).append(name)
    rows = view[~empty.to_numpy(dtype=bool)]
    kept = [column for column in rows if rows.empty or (rows[column] != NONE).any()]
    return Shown(rows[kept], [Fold(line(len(names), reason), names) for reason, names in groups.items()])


def _without_blank(view: pd.DataFrame) -> Shown:
    """Fold the rows of any table in which only the names are known."""
    empty = (view.iloc[:, 1:] == NONE).all(axis=1) & (view.shape[1] > 1)
    return _fold(
        view, empty, [""] * len(view), view.iloc[:, 0], lambda n, _: f"Of {_count(n, 'row')} nothing is known."
    )


def _claims(table: pd.DataFrame, view: pd.DataFrame) -> Shown:
    """Fold claims without an interval; a claim whose interval contains its threshold is still shown."""
    empty = (table["verdict"] == NOT_MEASURABLE) & table["value_ci95_low"].isna()
    alone = table["reason"].map(table.loc[empty, "reason"].value_counts()) == 1
    alone &= alone.sum() > 1
    names = [
        f"{row['id']}: {row['quotation']} ({row['source']}, {row['wording']}){_measured(row['value'])}"
        + (f"; {row['reason']}" if is_alone else "")
        for row, is_alone in zip(table.to_dict("records"), alone, strict=True)
    ]
    reasons = table["reason"].astype(object).mask(alone, OWN)
    return _fold(view, empty, reasons, names, lambda n, why: f"{_count(n, 'claim')} not measurable here: {why}")


def _measured(value: float) -> str:
    return "" if pd.isna(value) else f"; measured, without an interval: {number(value)}"


def _attribution(table: pd.DataFrame, view: pd.DataFrame) -> Shown:
    rows = table.to_dict("records")
    names = [f"{row['factor']} ({row['numerator']} / {row['denominator']}): {row['reason']}" for row in rows]
    empty = table["measurable"] == NOT_RUN
    return _fold(view, empty, table["measurable"], names, lambda n, why: f"{_count(n, 'factor')} {why}")


def _latency(table: pd.DataFrame, view: pd.DataFrame) -> Shown:
    metrics = table["metric"].astype(str).str.replace("_", " ")
    names = [f"{row['label']}, requests: {SCOPES[row['scope']]}" for row in table.to_dict("records")]
    empty = table["samples"] == 0
    return _fold(view, empty, metrics, names, lambda n, metric: f"No sample of the {metric}: {_count(n, 'row')}")


def _serving(table: pd.DataFrame, view: pd.DataFrame) -> Shown:
    """Fold runs without a timed repeat, and the rates at which an engine was not run but at least two others were."""
    empty, rates = ~(table["n_repeats"] > 0), table["requests_per_s"].fillna(table["offered_per_s"])
    run = set(zip(table["engine"], rates, strict=True))
    wanted = [(engine, rate) for engine in dict.fromkeys(table["engine"]) for rate in common_rates(at_rates(table))]
    names = table.loc[empty, "label"].tolist()
    names += [f"{engine} at {number(rate)} requests/s" for engine, rate in wanted if (engine, rate) not in run]
    rows = _fold(view, empty, [""] * len(view), view.iloc[:, 0], lambda n, _: "").rows
    return Shown(rows, [Fold(f"{_count(len(names), 'pair')} of engine and rate not run", names)] if names else [])


def _parity(table: pd.DataFrame, view: pd.DataFrame) -> Shown:
    reasons = table["comparable"].astype(str).str.removeprefix("no: ")
    empty = table["share_equal"].isna() & table["gate"].isna()
    return _fold(view, empty, reasons, table["label"], lambda n, why: f"{_count(n, 'engine')} not compared: {why}")


def shown_targets(table: pd.DataFrame) -> Shown:
    """The measured targets, with the others folded."""
    rows = table.to_dict("records")
    names = [f"{row['says']}: wanted {targets.SYMBOLS[row['is']]} {row['threshold']}" for row in rows]
    empty = table["measured"].isna()
    return _fold(targets_view(table), empty, table["verdict"], names, lambda n, why: f"{_count(n, 'target')} {why}")


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'s' * (number_of != 1)}"


FOLDED = {"claims": _claims, "attribution": _attribution, "latency": _latency, "serving": _serving, "parity": _parity}
