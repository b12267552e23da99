"""What the cache's slots held over a repeat: the right panels of the figure `memory`, one engine at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt
import numpy as np

from kvbench.figures.data.memory import MemoryTrace, memory_trace
from kvbench.figures.style import SPLIT_COLOURS, shown_uses
from kvbench.figures.words import use_text, value_text
from kvbench.records import SPLIT
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Choice, Key
from kvbench.report.charts.source import Source

ENGINE, TIME, POOL = "engine", "Time in the repeat (s)", "Pool (MiB)"
# The tooltip's titles by column, all in MiB.
TITLES = {name: f"{use_text(name).capitalize()} (MiB)" for name in SPLIT} | {"pool": POOL}


def build(source: Source) -> Chart | None:
    """Stacked areas by use of slots under the line of the pool; a choice of the engine."""
    traces = [memory_trace(run) for run in source.runs if run.timed()]
    traces = [trace for trace in traces if len(trace.zoom_s)]
    if not traces:
        return None
    # Runs outside sweeps first, and of these the paged ones.
    options = [trace.label for trace in traces if trace.label == trace.engine][::-1]
    options += [trace.label for trace in traces if trace.label != trace.engine]
    base = alt.Chart(parts.data(_values(traces))).transform_filter(f"datum.{ENGINE} === {ENGINE}")
    base = base.encode(x=alt.X("seconds:Q", title=TIME, scale=parts.zoomed()))
    step = {"interpolate": "step-after", "clip": True}
    uses = base.transform_fold(list(SPLIT), as_=["use", "mib"]).transform_filter(parts.is_shown("use"))
    areas = uses.mark_area(opacity=1, **step).encode(
        y=alt.Y("mib:Q", stack="zero", title="KV cache (MiB)"),
        color=parts.colour("use", SPLIT_COLOURS),
        order=alt.Order("place:Q"),
    )
    areas = areas.transform_calculate(place=f"indexof({list(SPLIT)}, datum.use)")
    pool = alt.Y("pool:Q")
    tooltip = [alt.Tooltip(title, type="nominal") for title in ("Engine", "At (s)", *TITLES.values())]
    drawn = alt.layer(
        areas,
        base.mark_line(style=parts.OUTLINE, aria=False, **step).encode(y=pool),
        base.mark_rule(opacity=0, strokeWidth=5, clip=True, aria=False).encode(
            y=pool, y2=alt.datum(0), tooltip=tooltip
        ),
    ).add_params(parts.hidden(), parts.window(), alt.param(name=ENGINE, value=options[0]))
    drawn = drawn.properties(
        width="container", height=parts.HEIGHT, title=parts.told(ENGINE), description="KV cache by use over a repeat"
    )
    uses = shown_uses({name: np.concatenate([trace.zoom[name] for trace in traces]) for name in SPLIT})
    legend = [Key(name, SPLIT_COLOURS[name], use_text(name)) for name in uses]
    return Chart(drawn, legend, [Choice(ENGINE, "Engine", options)], zooms=True)


def _values(traces: Sequence[MemoryTrace]) -> Iterator[dict]:
    for trace in traces:
        for place, seconds in enumerate(trace.zoom_s):
            mib = {name: float(trace.zoom[name][place]) for name in TITLES}
            texts = {TITLES[name]: value_text(value) for name, value in mib.items()}
            yield {
                ENGINE: trace.label,
                "seconds": seconds,
                **mib,
                "Engine": trace.label,
                **texts,
                "At (s)": value_text(seconds),
            }
