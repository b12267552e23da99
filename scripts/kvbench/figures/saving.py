"""Writes figures to files such that equal data give equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backend_bases import get_registered_canvas_class
from matplotlib.figure import Figure

from kvbench.errors import UserError
from kvbench.figures.not_drawn import NOTHING
from kvbench.figures.style import RC
from kvbench.files import replacing

# Metadata that keeps dates out of each format, and its key for a description. PNG is first because the first format
# determines the layout.
FORMATS = {
    "png": ({}, "Description"),
    "svg": ({"Date": None}, "Description"),
    "pdf": ({"CreationDate": None}, "Subject"),
}


def save(figure: Figure, paths: Sequence[str | Path], dpi: int, description: str | None = None) -> None:
    """Write a figure to each path in the format of its suffix (pdf, png or svg), with the same layout for all.

    Files contain no date, so equal data give equal bytes. The description of a figure of `said` is NOTHING unless
    another is given. UserError for another suffix.
    """
    description = description or (NOTHING if figure.get_label() == NOTHING else None)
    order = list(FORMATS)
    with mpl.rc_context(RC):
        for path in sorted(map(Path, paths), key=lambda path: order.index(_format(path))):
            with replacing(path) as temporary:
                _write(figure, temporary, _format(path), dpi, description)


def _format(path: Path) -> str:
    name = path.suffix.removeprefix(".")
    if name not in FORMATS:
        raise UserError(f"config.yaml: figures.formats: {name}: unknown format; use {', '.join(sorted(FORMATS))}")
    return name


def _write(figure: Figure, path: Path, name: str, dpi: int, description: str | None) -> None:
    """Write one format without Figure.savefig, which would repeat the layout and drawing."""
    undated, described = FORMATS[name]
    figure.dpi = dpi  # vector formats change it
    canvas = get_registered_canvas_class(name)(figure)
    _lay_out(figure)
    getattr(canvas, f"print_{name}")(path, metadata=undated | ({described: description} if description else {}))


def _lay_out(figure: Figure) -> None:
    """Compute the final layout; the second pass uses the ticks and texts of axes that already have their size."""
    if engine := figure.get_layout_engine():
        for _ in range(2):
            engine.execute(figure)
        figure.set_layout_engine("none")
