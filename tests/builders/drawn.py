"""Read back the values drawn in a figure's axes."""

from __future__ import annotations

from typing import Any


def widths_of(axes: Any) -> list[float]:
    """Return the lengths of all horizontal bars."""
    return [patch.get_width() for patch in axes.patches]


def lines_of(axes: Any) -> list[tuple[Any, Any]]:
    """Return (x, y) of each replay line."""
    return [(line.get_xdata(), line.get_ydata()) for line in axes.lines if line.get_marker() == "."]


def points_of(axes: Any) -> list[tuple[Any, list[Any]]]:
    """Return the medians and whisker ends of each engine's points."""
    found = [(c.lines[0].get_ydata(), c.lines[2][0].get_segments()) for c in axes.containers]
    return [(middle, [segment[:, 1] for segment in segments if len(segment)]) for middle, segments in found]
