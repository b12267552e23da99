"""A placeholder picture for pages that embed figures."""

from __future__ import annotations

from pathlib import Path

from kvbench.files import write_text

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"></svg>'


def write_picture(path: Path) -> Path:
    """Write an empty SVG to `path` and return `path`."""
    write_text(path, SVG)
    return path
