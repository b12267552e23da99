"""A picture for pages that show some."""

from __future__ import annotations

from pathlib import Path

from kvbench.files import write_text

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'


def write_picture(path: Path) -> Path:
    """An empty SVG at `path`, which is returned."""
    write_text(path, SVG)
    return path
