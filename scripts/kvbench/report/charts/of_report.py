"""The charts of a report, by the place of the figure beside which each stands."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.report.charts.chart import Embedded, document, embedded
from kvbench.report.charts.registry import CHARTS, Entry
from kvbench.report.charts.source import Source
from kvbench.report.html import place

log = logging.getLogger(__name__)


def charts(
    tables: Mapping[str, pd.DataFrame], figures: Sequence[Path], runs: Sequence[Run], files: Sequence[str | Path]
) -> dict[str, list[Embedded]]:
    """Charts by `Figure.place`, in the order of the registry; those without anything to draw are left out.

    `files` are those of `Source`. A chart that fails leaves a traceback in the log and the figure without it: the page
    still has all numbers.
    """
    found: dict[str, list[Embedded]] = {}
    for path in figures:
        source = Source(tables, runs, list(map(Path, files)), path.parts[-3:-1])
        built = [one for entry in CHARTS if entry.figure == path.stem and (one := _built(entry, source))]
        if built:
            found[place(path)] = built
    return found


def _built(entry: Entry, source: Source) -> Embedded | None:
    try:
        chart = entry.build(source)
        return embedded(entry.title, document(chart)) if chart else None
    except MemoryError:
        raise
    except Exception:
        log.exception("chart %s of %s: not built", entry.name, "/".join(source.folder))
        return None
