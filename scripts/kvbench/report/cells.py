"""Formats the cells of a page's tables: numbers as text, medians with intervals, frames as HTML."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from kvbench.analysis.results import run_label
from kvbench.analysis.statistics import PARTS

MIB = 2**20
NONE = "–"
WRAPPED = 30  # cells with at least this many characters are wrapped


def to_html(table: pd.DataFrame) -> Markup:
    """A frame of text as an HTML table."""
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in table.columns)
    rows = (Markup("<tr>{}</tr>").format(Markup("").join(map(_cell, row))) for row in table.itertuples(index=False))
    body = Markup("\n").join(rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def number(value: Any) -> str:
    """Three significant digits, whole numbers in full; a dash if there is no value."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return NONE
    if isinstance(value, str):
        return value
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def _cell(text: str) -> Markup:
    seen = text.striptags() if isinstance(text, Markup) else text
    kind = ' class="t"' if len(seen) > WRAPPED else ' class="n"' if text[:1].isdigit() or text == NONE else ""
    return Markup("<td{}>{}</td>").format(Markup(kind), escape(text))


def text(table: pd.DataFrame) -> pd.DataFrame:
    """A frame with every cell as text; columns without any value are left out."""
    known = [name for name in table if table.empty or table[name].notna().any()]
    return table[known].astype(object).map(number)


def with_marks(view: pd.DataFrame, **cells: list[Markup | str]) -> pd.DataFrame:
    """A view with cells of HTML in some of its columns; columns that it left out stay out.

    `text` would make plain text of them, which is escaped.
    """
    return view.assign(**{name: pd.Series(own, view.index, object) for name, own in cells.items() if name in view})


def text_column(column: pd.Series) -> pd.Series:
    """A column of text, even if there is no row or no value."""
    return column.astype(object)


def interval(table: pd.DataFrame, name: str, factor: float = 1) -> pd.Series:
    names = [f"{name}_{part}" for part in PARTS]
    return spans(table.assign(**{one: table[one] * factor for one in names}), *names)


def spans(table: pd.DataFrame, *names: str) -> pd.Series:
    """`span` of each row; `names` are the columns of its values."""
    spans = [span(*values) for values in zip(*(table[name] for name in names), strict=True)]
    return pd.Series(spans, index=table.index, dtype=object)


def span(middle: float, low: float, high: float, least: float | None = None, most: float | None = None) -> str:
    """`median [low, high]`; without an interval `median (min to max)`, or only the median if all values are equal."""
    if pd.notna(low):
        return f"{number(middle)} [{number(low)}, {number(high)}]"
    if pd.isna(least) or least == most:
        return number(middle)
    return f"{number(middle)} ({number(least)} to {number(most)})"


def scope(table: pd.DataFrame) -> pd.Series:
    words = {"all": "all", "sequential": "subset"}
    pairs = zip(table["scope"], table["requests"], strict=True)
    return pd.Series(
        [NONE if pd.isna(n) else f"{number(n)} ({words[scope]})" for scope, n in pairs], index=table.index, dtype=object
    )


def pairs(table: pd.DataFrame, name: str, factor: float) -> pd.Series:
    """`numerator / denominator` of a column that both arms have."""
    pairs = zip(table[f"numerator_{name}"] * factor, table[f"denominator_{name}"] * factor, strict=True)
    texts = [NONE if pd.isna(above) else f"{number(above)} / {number(below)}" for above, below in pairs]
    return pd.Series(texts, index=table.index, dtype=object)


def labels(table: pd.DataFrame, column: str) -> list[str]:
    return [run_label(engine, point) for engine, point in zip(table[column], table["point"], strict=True)]


def mib(size: int | None) -> float | None:
    return None if size is None else size / MIB
