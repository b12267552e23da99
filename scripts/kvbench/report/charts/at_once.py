"""How many requests ran at once over a repeat, all engines on one axis: of the runs of the figure `memory`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt

from kvbench.figures.data.running import RunningTrace, running_trace
from kvbench.figures.words import value_text
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Choice
from kvbench.report.charts.source import Source

QUANTITY, TIME = "quantity", "Time in the repeat (s)"
QUANTITIES = {"running": "Requests running at once", "waiting": "Requests waiting"}


def build(source: Source) -> Chart | None:
    """A step line per run over the time of its first timed repeat; a choice of running or waiting requests."""
    traces = [running_trace(run) for run in source.runs if run.timed()]
    traces = [trace for trace in traces if len(trace.t_s)]
    if not traces:
        return None
    engines = parts.engines_of(trace.engine for trace in traces)
    options = list(QUANTITIES.values())
    base = (
        alt.Chart(parts.data(_values(traces)))
        .transform_filter(parts.is_shown())
        .transform_calculate(requests=f"{QUANTITY} === {options[0]!r} ? datum.running : datum.waiting")
        .encode(
            x=alt.X("seconds:Q", title=TIME, scale=parts.zoomed()),
            y=alt.Y("requests:Q", title=None, axis=alt.Axis(tickMinStep=1)),
            detail="Engine:N",
        )
    )
    lines = {"interpolate": "step-after", "clip": True}
    drawn = alt.layer(
        base.mark_line(style=parts.CASING, aria=False, strokeWidth=3.2, **lines),
        base.mark_line(strokeWidth=2, **lines).encode(color=parts.engine_colour(engines)),
        base.mark_point(opacity=0, size=60, clip=True, aria=False).encode(
            tooltip=parts.tips("Engine", "At (s)", *(QUANTITIES.values()))
        ),
    ).add_params(parts.hidden(), parts.window(), alt.param(name=QUANTITY, value=options[0]))
    drawn = drawn.properties(
        width="container", height=parts.HEIGHT, title=parts.told(QUANTITY), description="Requests at once over a repeat"
    )
    return Chart(drawn, parts.keys(engines), [Choice(QUANTITY, "Show", options)], zooms=True)


def _values(traces: Sequence[RunningTrace]) -> Iterator[dict]:
    for trace in traces:
        for seconds, running, waiting in zip(trace.t_s, trace.running, trace.waiting, strict=True):
            yield {
                "engine": trace.engine,
                "Engine": trace.label,
                "seconds": seconds,
                "At (s)": value_text(seconds),
                "running": running,
                "waiting": waiting,
                QUANTITIES["running"]: f"{running:,}",
                QUANTITIES["waiting"]: f"{waiting:,}",
            }
