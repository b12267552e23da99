"""Draws machines against metrics beside the page that compares them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kvbench.report.across.folders import Folder
from kvbench.report.across.quantities import EACH, FIRST, LIVE, RATIO, SPEED, values

DPI = 200


def draw_machines(folders: Sequence[Folder], page: Path) -> Path:
    """Write the figure as PNG and SVG beside `page`, with its name; returns the PNG."""
    from kvbench.figures.machines import draw
    from kvbench.figures.saving import save

    figure = draw(values(folders), [folder.name for folder in folders], (SPEED, FIRST, EACH, LIVE), RATIO)
    save(figure, [page.with_suffix(".png"), page.with_suffix(".svg")], DPI)
    return page.with_suffix(".png")
