"""Output tokens per second of each engine, with intervals and every repeat: the numbers of the figure `throughput`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import altair as alt

from kvbench.analysis.results import engine_key
from kvbench.figures.data.speeds import Speed, speeds
from kvbench.figures.throughput import TITLES
from kvbench.figures.words import value_text
from kvbench.report.charts import parts
from kvbench.report.charts.chart import Chart, Choice
from kvbench.report.charts.source import Source

SPEED, WHISKER, REPEAT = "Output tokens per second", "95% interval", "Repeat"
MEASURED = "scope"


def build(source: Source) -> Chart | None:
    """Bars of medians with whiskers and a dot per repeat; a choice of the requests if a subset was served too."""
    scopes = speeds(source.runs, source.rows("throughput"))
    if not scopes:
        return None
    engines = parts.engines_of(one.engine for found in scopes.values() for one in found)
    titles = {
        scope: TITLES[scope].format(n="/".join(sorted({str(s.requests) for s in scopes[scope]}))) for scope in scopes
    }
    options = list(titles.values())
    given = alt.param(name=MEASURED, value=options[0])
    drawn = alt.layer(*_layers(scopes, titles, engines)).add_params(parts.hidden(), given)
    drawn = drawn.properties(
        **parts.rows_size(len({one.label for found in scopes.values() for one in found})),
        title=parts.told(MEASURED),
        description="Output tokens per second of each engine: median, 95% interval and each repeat",
    )
    choices = [Choice(MEASURED, "Requests", options)] if len(options) > 1 else []
    return Chart(drawn, parts.keys(engines), choices)


def _layers(
    scopes: Mapping[str, Sequence[Speed]], titles: Mapping[str, str], engines: Sequence[str]
) -> Iterator[alt.Chart]:
    found = [(titles[scope], one) for scope, speeds_of in scopes.items() for one in speeds_of]
    ordered = sorted((one for _, one in found), key=lambda one: engine_key(one.engine))
    y = parts.row_axis(list(dict.fromkeys(one.label for one in ordered)))
    medians, repeats = parts.data(_medians(found)), parts.data(_repeats(found))
    x = alt.X("median:Q", title=SPEED)
    bars = _base(medians).encode(x=x, y=y, color=parts.engine_colour(engines))
    yield bars.mark_bar(height={"band": 0.6}).encode(tooltip=parts.tips("Engine", SPEED, WHISKER, "Repeats"))
    if any(one.low is not None for _, one in found):
        whisker = _base(medians).transform_filter("isValid(datum.low)")
        yield whisker.mark_rule(style=parts.WHISKER, aria=False).encode(x=alt.X("low:Q", title=SPEED), x2="high:Q", y=y)
    dots = _base(repeats).mark_point(style=parts.REPEAT, size=18)
    yield dots.encode(
        x=alt.X("value:Q", title=SPEED),
        y=y,
        shape=alt.Shape("disturbed:N", scale=alt.Scale(domain=["no", "yes"], range=["circle", "cross"]), legend=None),
        tooltip=parts.tips("Engine", REPEAT, SPEED, "Disturbed by other load"),
    )


def _base(values: alt.Data) -> alt.Chart:
    return alt.Chart(values).transform_filter(parts.is_shown()).transform_filter(f"datum.requests === {MEASURED}")


def _medians(found: Sequence[tuple[str, Speed]]) -> Iterator[dict]:
    for requests, one in found:
        yield {
            "name": one.label,
            "engine": one.engine,
            "requests": requests,
            "median": one.median,
            "low": one.low,
            "high": one.high,
            "Engine": one.label,
            SPEED: value_text(one.median),
            WHISKER: parts.interval(one.low, one.high),
            "Repeats": f"{len(one.repeats)} in {one.processes} process{'es' if one.processes > 1 else ''}",
        }


def _repeats(found: Sequence[tuple[str, Speed]]) -> Iterator[dict]:
    for requests, one in found:
        for number, (value, disturbed) in enumerate(zip(one.repeats, one.disturbed, strict=True), start=1):
            crossed = "yes" if disturbed else "no"
            yield {
                "name": one.label,
                "engine": one.engine,
                "requests": requests,
                "value": value,
                "disturbed": crossed,
                "Disturbed by other load": crossed,
                "Engine": one.label,
                REPEAT: f"{number} of {len(one.repeats)}",
                SPEED: value_text(value),
            }
