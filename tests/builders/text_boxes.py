"""Where the words of a figure stand."""

from __future__ import annotations

from matplotlib.figure import Figure


def assert_inside(figure: Figure) -> None:
    """All that is drawn is in the picture: names of axes and rows, titles, notes and legends."""
    figure.draw_without_rendering()
    drawn, (width_in, height_in) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= width_in
    assert drawn.y1 <= height_in
