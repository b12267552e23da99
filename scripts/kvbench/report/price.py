"""The report's section on what a block table costs the attention kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kvbench.kernel.forms import APART, CONTIGUOUS, PAGED, ROWS, SHUFFLED
from kvbench.report.cells import number, spans, text
from kvbench.report.html import Figure, figure

FOLDER = "kernel"
CALL = ["phase", "layout", "context_tokens", "batch"]
PHASES = {"decode": "decode steps", "prefill": "prefill steps"}


@dataclass(frozen=True)
class Section:
    """The first page's sentences, the figures, a row for each call, and why calls are missing."""

    sentences: list[str]
    figures: list[Figure]
    table: pd.DataFrame
    missing: list[str]


def section(table: pd.DataFrame, figures: Sequence[Path]) -> Section:
    """The section for paging_price.csv; `figures` may include others than .../kernel/<name>.*."""
    own = [figure(path) for path in figures if path.parent.name == FOLDER]
    measured = table[table["reason"].isna()]
    return Section(sentences(measured), own, view(measured), _missing(table[table["reason"].notna()]))


def sentences(measured: pd.DataFrame) -> list[str]:
    """One for each phase and head layout: the range, over its calls, of the ratio for the smallest pages."""
    shuffled = measured[measured["order"] == SHUFFLED]
    if shuffled.empty:
        return []
    smallest = shuffled["page_tokens"].min()
    lines = []
    for phase in dict.fromkeys(shuffled["phase"]):
        pages = _ranges(shuffled[(shuffled["phase"] == phase) & (shuffled["page_tokens"] == smallest)])
        alone = _ranges(_alone(measured[measured["phase"] == phase]))
        lines.append(
            f"The attention kernel alone took in {PHASES[phase]}, over its time on contiguous K and V: on pages of "
            f"{smallest:.0f} tokens {pages}; with all of a sequence in one page {alone}."
        )
    return lines


def _alone(measured: pd.DataFrame) -> pd.DataFrame:
    """The rows in which a page holds all of a sequence: the largest page of each call."""
    paged = measured[(measured["form"] == PAGED) & (measured["order"] != SHUFFLED)]
    return paged[paged["page_tokens"] == paged.groupby(CALL)["page_tokens"].transform("max")]


def _ranges(rows: pd.DataFrame) -> str:
    told = []
    for layout, own in rows.groupby("layout", sort=False):
        low, high = number(own["ratio"].min()), number(own["ratio"].max())
        told.append(f"{low if low == high else f'{low} to {high}'} times ({layout})")
    return ", ".join(told)


def view(measured: pd.DataFrame) -> pd.DataFrame:
    """A row for each call: the contiguous form's time and bandwidth, and the ratio of every other form, shuffled."""
    rows = [_row(dict(zip(CALL, key, strict=True)), call) for key, call in measured.groupby(CALL, sort=False)]
    return text(pd.DataFrame(rows))


def _row(names: dict, call: pd.DataFrame) -> dict:
    call = call.assign(told=spans(call, "ratio", "ratio_ci95_low", "ratio_ci95_high"))
    base = call[call["form"] == CONTIGUOUS].iloc[0]
    pages = call[call["order"] == SHUFFLED].sort_values("page_tokens")
    return {
        "step": f"{names['phase']}, {names['batch']:.0f} × {names['context_tokens']:,.0f}",
        "heads": names["layout"],
        "contiguous (µs)": 1e6 * base["seconds_median"],
        "of the copy bandwidth (%)": 100 * base["share_of_copy_bandwidth"],
        "K and V apart": _first(call[call["form"] == APART]),
        "a row a sequence": _first(call[call["form"] == ROWS]),
        "a page a sequence": _first(_alone(call)),
        **{f"pages of {row['page_tokens']:.0f}": row["told"] for _, row in pages.iterrows()},
    }


def _first(rows: pd.DataFrame) -> str | None:
    return rows["told"].iloc[0] if len(rows) else None


def _missing(rows: pd.DataFrame) -> list[str]:
    """Why something was not measured, each reason once, with its calls."""
    told = []
    for reason, own in rows.groupby("reason", sort=False):
        calls = ", ".join(
            f"{row['layout']} {row['phase']} {row['batch']:.0f} × {row['context_tokens']:,.0f}"
            for _, row in own.dropna(subset="phase").iterrows()
        )
        told.append(f"{calls}: {reason}" if calls else str(reason))
    return told
