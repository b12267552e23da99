"""An interactive chart: a Vega-Lite specification, and the controls that the page puts beside it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Choice:
    """A list from which a reader picks one; the specification's parameter `param` holds what was picked."""

    param: str
    label: str
    options: Sequence[str]


@dataclass(frozen=True)
class Key:
    """An entry of the legend: a click puts its `name` into the parameter `hidden`, or takes it out.

    It reads as `text`, or as its name without one.
    """

    name: str
    colour: str
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart with its legend, its choices, and whether the parameter `window` zooms along its horizontal axis."""

    drawn: alt.LayerChart | alt.Chart
    legend: Sequence[Key]
    choices: Sequence[Choice] = ()
    zooms: bool = False


@dataclass(frozen=True)
class Embedded:
    """A chart as a page embeds it: `data` is its document, compressed with gzip and encoded as base64."""

    title: str
    data: str


def document(chart: Chart) -> dict[str, Any]:
    """What the page's script reads: spec, legend, choices, zooms. ValueError if Vega-Lite refuses the chart."""
    return {
        "spec": chart.drawn.to_dict(),
        "legend": [{"name": k.name, "colour": k.colour, "text": k.text or k.name} for k in chart.legend],
        "choices": [{"param": one.param, "label": one.label, "options": list(one.options)} for one in chart.choices],
        "zooms": chart.zooms,
    }


def embedded(title: str, found: Mapping[str, Any]) -> Embedded:
    """A document as text that holds no markup; the same bytes for the same document."""
    text = json.dumps(found, separators=(",", ":"), allow_nan=False)
    return Embedded(title, pack(text))


def pack(text: str) -> str:
    """Text compressed with gzip, without a time, in base64."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
