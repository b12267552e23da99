"""Write a figure to its files, equal data to equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.backend_bases import get_registered_canvas_class
from matplotlib.figure import Figure

from kvbench.errors import UserError
from kvbench.figures.style import RC
from kvbench.files import replacing

# What keeps dates out of a format, and its name for a description. PNG leads: what is written first is laid out.
FORMATS = {
    "png": ({}, "Description"),
    "svg": ({"Date": None}, "Description"),
    "pdf": ({"CreationDate": None}, "Subject"),
}


def save(figure: Figure, paths: Sequence[str | Path], dpi: int, description: str | None = None) -> None:
    """Write a figure to each path in the format of its suffix (pdf, png or svg), with one layout for all.

    No date enters a file: equal data give equal bytes. Raises UserError on another suffix.
    """
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
    """Figure.savefig would lay out and draw once more for each format."""
    undated, described = FORMATS[name]
    figure.dpi = dpi  # vector formats leave theirs
    canvas = get_registered_canvas_class(name)(figure)
    _lay_out(figure)
    getattr(canvas, f"print_{name}")(path, metadata=undated | ({described: description} if description else {}))


def _lay_out(figure: Figure) -> None:
    """Settle the layout for good: the second time ticks and texts are those of axes that have their size."""
    if engine := figure.get_layout_engine():
        for _ in range(2):
            engine.execute(figure)
        figure.set_layout_engine("none")
