"""Rows of serving.csv in the form that figures over rates of arrival need."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kvbench.figures.data.rows import by_engine
from kvbench.workload.rates import rate_of

DODGE = 0.5  # of the smallest gap between two rates, over which points at one rate are spread


def without_lower_rates(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table with `engine` and `point`, but of an engine's rates of arrival only those of the highest.

    Elsewhere a figure with a row for each rate would fill pages.
    """
    rates = table["point"].map(rate_of).astype(float)
    return table[~(rates < rates.groupby(table["engine"]).transform("max"))]


def at_rates(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of serving.csv that have a timed repeat and a rate, by engine and `rate`.

    `rate` is the rate that was asked for, or of arrivals from a file the mean one.
    """
    table = table.assign(rate=table["requests_per_s"].astype(float).fillna(table["offered_per_s"].astype(float)))
    known = table.dropna(subset=["rate"]).query("rate > 0 and n_repeats > 0")
    order = {engine: place for place, engine in enumerate(dict.fromkeys(known["engine"]))}
    return known.assign(place=known["engine"].map(order)).sort_values(["place", "rate"], kind="stable")


def common_rates(table: pd.DataFrame) -> list[float]:
    """The rates that at least two engines were run at, or all if fewer than two are common."""
    shared = _shared(table)
    return shared if len(shared) > 1 else sorted(set(table["rate"]))


def at_common_rates(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """The rows of each engine at rates that another was run at too, or, of an engine with fewer than two, at its own.

    All rows if there are no more than `most` rates, else at most so many of each engine, evenly chosen.
    """
    if table["rate"].nunique() <= most:
        return table
    shared, chosen = _evenly(_shared(table), most), []
    for rows in by_engine(table):
        own = rows[rows["rate"].isin(shared)]
        alone = own["rate"].nunique() < 2
        chosen.append(rows[rows["rate"].isin(_evenly(sorted(set(rows["rate"])), most))] if alone else own)
    return pd.concat(chosen)


def _shared(table: pd.DataFrame) -> list[float]:
    """The rates that at least two engines were run at."""
    engines_at = table.groupby("rate")["engine"].nunique()
    return sorted(engines_at.index[engines_at > 1])


def _evenly(rates: list[float], most: int) -> list[float]:
    """At most `most` of the rates, the outermost among them."""
    if len(rates) <= most:
        return rates
    return [rates[place] for place in np.unique(np.linspace(0, len(rates) - 1, most).round().astype(int))]


def is_true(column: pd.Series) -> pd.Series:
    """Whether each value of a column of a CSV is true; unknown is false."""
    return column.map(lambda value: str(value).lower() == "true").astype(bool)


def too_short(table: pd.DataFrame) -> pd.Series:
    """Whether each row of serving.csv was served without telling whether it is saturated."""
    return table["saturated"].isna() & table["completed_per_s_median"].notna()


def dodged(table: pd.DataFrame) -> pd.Series:
    """`rate` of each row, moved so that the engines' points at one rate stand side by side on a logarithmic axis."""
    rates, count = np.unique(table["rate"]), table["place"].nunique()
    gap = min(np.diff(np.log(rates)).min() if len(rates) > 1 else 0.3, 0.3)
    step = DODGE * gap / max(count - 1, 1)
    return table["rate"] * np.exp(step * (table["place"] - (count - 1) / 2))
