"""Common parts of charts: colours of engines, what a legend hides, values as JSON holds them, texts of tooltips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from kvbench.analysis.results import engine_key
from kvbench.figures.style import Look, look
from kvbench.figures.words import value_text
from kvbench.report.charts.chart import Key

HEIGHT = 280
ROW = 26  # px for a row of a chart of rows
DIGITS = 6
HIDDEN, WINDOW = "hidden", "window"
DASHES = {"": [], "///": [6, 3], "...": [1.5, 2.5]}
# Styles that the page's script colours for light and dark: the edge around a line, so that pale and dark colours are
# visible on either; whiskers; dots of repeats; the line of a whole; lines of reference.
CASING, WHISKER, REPEAT, OUTLINE, REFERENCE = "casing", "whisker", "repeat", "outline", "reference"


def data(rows: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Rows as inline data: numbers with DIGITS significant digits, null for unknown ones."""
    return alt.Data(values=[{name: _plain(value) for name, value in row.items()} for row in rows])


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.{DIGITS}g}")


def engines_of(names: Iterable[str]) -> list[str]:
    """Each engine once, in the order of figures."""
    return sorted(set(names), key=engine_key)


def keys(engines: Sequence[str]) -> list[Key]:
    """The legend of engines."""
    return [Key(name, look(name).colour) for name in engines]


def colour(field: str, looks: Mapping[str, Look | str]) -> alt.Color:
    """The colour of a field's values, without Vega's legend: the page has one that a keyboard reaches."""
    colours = [one if isinstance(one, str) else one.colour for one in looks.values()]
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(looks), range=colours), legend=None)


def engine_colour(engines: Sequence[str]) -> alt.Color:
    """The colour of the field `engine`, that of figures."""
    return colour("engine", {name: look(name) for name in engines})


def is_shown(field: str = "engine") -> str:
    """Vega's test that the legend does not hide a row."""
    return f"indexof({HIDDEN}, datum.{field}) < 0"


def hidden() -> alt.Parameter:
    """The parameter with the names that the legend hides."""
    return alt.param(name=HIDDEN, value=[])


def window() -> alt.Parameter:
    """The parameter with the shown stretch of the horizontal axis, null for all of it."""
    return alt.param(name=WINDOW, value=None)


def zoomed(**scale: Any) -> alt.Scale:
    """A scale that shows the stretch of the parameter `window`."""
    return alt.Scale(domainRaw=alt.ExprRef(WINDOW), nice=False, **scale)


def row_axis(names: Sequence[str], field: str = "name") -> alt.Y:
    """The names of rows, in their order; a name may have several lines."""
    axis = alt.Axis(ticks=False, domain=False, labelExpr="split(datum.label, '\\n')")
    return alt.Y(f"{field}:N", sort=list(names), title=None, axis=axis)


def tips(*titles: str) -> list[alt.Tooltip]:
    """A tooltip of texts: each title is also the name of the field."""
    return [alt.Tooltip(title, type="nominal") for title in titles]


def rows_size(count: int, row: int = ROW) -> dict[str, Any]:
    """Sizes of a chart of `count` rows: the width of its place on the page, `row` px for each row."""
    return {"width": "container", "height": row * max(count, 2)}


def told(title: str) -> alt.TitleParams:
    """A title above a chart that says what a parameter holds, such as the quantity picked."""
    return alt.TitleParams(text=alt.ExprRef(title))


def interval(low: Any, high: Any, factor: float = 1.0) -> str:
    """`1.20 to 1.35`, or that there is none."""
    known = [value for value in (low, high) if value is not None and not math.isnan(value)]
    return " to ".join(value_text(factor * value) for value in known) if len(known) == 2 else "none, too few repeats"
