"""The page embeds charts beside their figures, and the library once; without charts it has neither."""

from __future__ import annotations

from pathlib import Path

from builders.charts import charts_of, page_with_charts
from builders.pipeline import report

from kvbench.report.charts.bundle import library


def test_charts_stand_beside_their_figures_and_the_library_once(results: Path) -> None:
    page = page_with_charts(results)
    assert page.count(library()) == 1
    figures = [one.partition("</figure>")[0] for one in page.split("<figure data-charts>")[1:]]
    assert len(figures) == len(charts_of(results))
    for beside in charts_of(results).values():
        for one in beside:
            script = f'data-chart="{one.title}">{one.data}</script>'
            assert sum(script in figure for figure in figures) == page.count(script) == 1


def test_a_page_without_charts_has_no_code_for_them(results: Path) -> None:
    page = report(results, [])
    assert "chart-library" not in page
    assert "data-chart" not in page
