"""What allocated slots held, as shares per engine: the numbers of the figure `kv_waste`."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import pandas as pd

from kvbench.figures.data.rates import without_lower_rates
from kvbench.figures.style import SPLIT_COLOURS, shown_uses
from kvbench.figures.words import share_text, use_text
from kvbench.records import SPLIT
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Key
from kvbench.report.charts.source import Source

SHARE = "Share of allocated slots"
PERCENT = alt.Scale(domain=[0, 100])


def build(source: Source) -> Chart | None:
    """Stacked bars of `*_share_of_allocated`, a row per run; the legend hides a use of slots."""
    shown = without_lower_rates(source.rows("kv_waste")).to_dict("records")
    rows = [row for row in shown if pd.notna(row["live_share_of_allocated"])]
    if not rows:
        return None
    drawn = (
        alt.Chart(parts.data(_values(rows)))
        .transform_filter(parts.is_shown("use"))
        .mark_bar(height={"band": 0.7})
        .encode(
            x=alt.X("sum(percent):Q", stack="zero", title=f"{SHARE} (%)", scale=PERCENT),
            y=parts.row_axis([_name(row) for row in rows]),
            color=parts.colour("use", SPLIT_COLOURS),
            order="place:Q",
            tooltip=parts.tips("Engine", "Slots", SHARE, "Unused pool"),
        )
        .add_params(parts.hidden())
        .properties(**parts.rows_size(len(rows)), description=f"{SHARE} by use, for each engine")
    )
    uses = shown_uses({name: [row[f"{name}_share_of_allocated"] for row in rows] for name in SPLIT})
    return Chart(drawn, [Key(name, SPLIT_COLOURS[name], use_text(name)) for name in uses])


def _name(row: dict) -> str:
    return row["label"] if row["scope"] == "all" else f"{row['label']} (subset)"


def _values(rows: list[dict]) -> Iterator[dict]:
    for row in rows:
        for place, use in enumerate(SPLIT):
            share = row[f"{use}_share_of_allocated"]
            yield {
                "name": _name(row),
                "use": use,
                "place": place,
                "percent": 100 * (0 if pd.isna(share) else share),
                "Engine": _name(row),
                "Slots": use_text(use),
                SHARE: share_text(share),
                "Unused pool": f"{share_text(row['unused_pool_share_of_pool'])} of the pool",
            }
