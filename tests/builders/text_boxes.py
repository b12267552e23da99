"""Where the words of a figure stand."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def assert_inside(figure: Figure) -> None:
    """All words are in the picture: titles, names of axes and rows, notes and legends."""
    FigureCanvasAgg(figure).draw()
    words = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    words += [text for name in (figure._suptitle, figure._supxlabel, figure._supylabel) if (text := name)]
    for axes in figure.axes:
        words += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        words += [label for label in axes.get_yticklabels() if axes.yaxis.get_tick_params()["labelleft"]]
    assert not [text.get_text() for text in words if not _inside(text, figure)]


def _inside(text: Text, figure: Figure) -> bool:
    box, edge = text.get_window_extent(), figure.bbox
    return not text.get_text().strip() or (min(box.x0, box.y0) >= 0 and box.x1 <= edge.x1 and box.y1 <= edge.y1)
