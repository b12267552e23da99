"""The interactive charts of results, and the rows that a chart holds."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builders.pictures import write_picture
from builders.pipeline import MODEL, WORKLOAD, report
from kvbench.analysis.results import load_runs
from kvbench.files import read_table
from kvbench.report.charts.bundle import library
from kvbench.report.charts.chart import Chart, Embedded, document
from kvbench.report.charts.of_report import charts
from kvbench.report.charts.registry import CHARTS
from kvbench.report.charts.source import Source
from kvbench.report.sections import PLACED


def source_of(root: Path) -> Source:
    """What charts of the results of `pipeline.write_results` under `root` are drawn from."""
    tables = {path.stem: read_table(path) for path in sorted((root / "tables").glob("*.csv"))}
    runs = load_runs(sorted((root / "runs").glob("*/*/*/*/run.json")))
    return Source(tables, runs, sorted(root.glob("sweeps/*/*/*.csv")), (MODEL, WORKLOAD))


def charts_of(root: Path) -> dict[str, list[Embedded]]:
    """The charts beside all figures of one model and workload."""
    source = source_of(root)
    figures = [root / f"figures/{MODEL}/{WORKLOAD}/{name}.svg" for name in dict.fromkeys(e.figure for e in CHARTS)]
    return charts(source.tables, figures, source.all_runs, source.files)


def rows(chart: Chart, **having: Any) -> list[dict[str, Any]]:
    """The rows of data that hold all these values; a value `...` stands for any."""
    found = [row for values in data_of(document(chart)["spec"]) for row in values]
    return [row for row in found if all(key in row and value in (..., row[key]) for key, value in having.items())]


def data_of(spec: Any) -> Iterator[list[dict[str, Any]]]:
    """Each distinct piece of inline data of a specification."""
    yield from spec.get("datasets", {}).values()
    seen: list[Any] = []
    for part in objects(spec):
        values = part.get("data", {}).get("values") if isinstance(part.get("data"), dict) else None
        if values is not None and values not in seen:
            seen.append(values)
            yield values


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, at any depth."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(child)


def unpacked(data: str) -> str:
    """The text in base64 of gzip."""
    return gzip.decompress(base64.b64decode(data)).decode()


def document_of(embedded: Embedded) -> dict[str, Any]:
    """The document that a page embeds."""
    return json.loads(unpacked(embedded.data))


def page_with_charts(root: Path) -> str:
    """A report of the results under `root`, with placeholders for its figures."""
    pictures = [write_picture(root / f"figures/{MODEL}/{WORKLOAD}/{name}.svg") for name in PLACED]
    return report(root, pictures, charts=charts_of(root), chart_library=library())


def marks(page: Any, number: int, kind: str) -> list[dict[str, Any]]:
    """The marks of a kind (`rect`, `symbol`) that the chart beside a page's figure with this number shows."""
    return page.evaluate(
        """([number, kind]) => {
            const view = kvbenchCharts[number].view, found = [];
            const visit = (mark) => mark.items.forEach((item) => {
                if (mark.marktype === kind && mark.role === "mark")
                    found.push({ ...item.datum, fill: item.fill, left: item.x, width: item.width });
                (item.items || []).forEach((inner) => inner.items && visit(inner));
            });
            visit(view.scenegraph().root);
            return found;
        }""",
        [number, kind],
    )
