"""How many requests ran at once under each policy of a replay, step by step: whence the means of `batched_requests`."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import numpy as np
import pandas as pd

from kvbench.figures.batched_requests import LOOKS
from kvbench.figures.data.steps import thin
from kvbench.figures.style import OTHER
from kvbench.figures.words import value_text
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Key
from kvbench.report.charts.source import Source

STEP, RUNNING = "Step", "Requests running at once"
MAX_POINTS = 5000  # all policies together


def build(source: Source) -> Chart | None:
    """A line per policy: the mean over the steps of each bin of series.parquet, at the bin's first step."""
    series = source.series()
    if series.empty:
        return None
    looks = {str(name): LOOKS.get(name, OTHER) for name in series["policy"].unique()}
    dashes = [parts.DASHES.get(one.hatch, []) for one in looks.values()]
    base = (
        alt.Chart(parts.data(_values(series)))
        .transform_filter(parts.is_shown("policy"))
        .encode(
            x=alt.X("step:Q", title=STEP, scale=parts.zoomed()),
            y=alt.Y("running:Q", title=RUNNING),
            detail="policy:N",
        )
    )
    dash = alt.StrokeDash("policy:N", scale=alt.Scale(domain=list(looks), range=dashes), legend=None)
    drawn = alt.layer(
        base.mark_line(strokeWidth=1.6, clip=True).encode(color=parts.colour("policy", looks), strokeDash=dash),
        base.mark_point(opacity=0, size=60, clip=True, aria=False).encode(
            tooltip=parts.tips("Policy", STEP, "Steps in the bin", RUNNING, "Requests waiting")
        ),
    ).add_params(parts.hidden(), parts.window())
    drawn = drawn.properties(width="container", height=parts.HEIGHT, description=f"{RUNNING} over a replay, by policy")
    return Chart(drawn, [Key(name, own.colour) for name, own in looks.items()], zooms=True)


def _values(series: pd.DataFrame) -> Iterator[dict]:
    groups = series.groupby("policy", sort=False, observed=True)
    for policy, rows in groups:
        begins = np.concatenate([[0], np.cumsum(rows["steps"])[:-1]])
        running = (rows["running"] / rows["steps"]).to_numpy()
        for place in thin(running, MAX_POINTS // len(groups)):
            row = rows.iloc[place]
            waiting = row["waiting"] / row["steps"]
            yield {
                "policy": policy,
                "step": begins[place],
                "running": running[place],
                "Policy": policy,
                STEP: f"{begins[place]:,.0f}",
                "Steps in the bin": f"{row['steps']:,}",
                RUNNING: value_text(running[place]),
                "Requests waiting": value_text(waiting),
            }
