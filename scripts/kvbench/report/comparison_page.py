"""Writes the tables of a comparison as a page of HTML or Markdown."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from kvbench.report.cells import to_html
from kvbench.report.html import POLICY

PAIR = "Two result folders side by side"
ALT = "Metrics of each machine as points with intervals"
RATIOS = "B over A"
NONE_DIFFER, NONE_SHARED = "none differ", "no run is in both folders"
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;font-size:.85rem}th,td{padding:.2rem .6rem;border-bottom:1px solid #ddd;"
    "text-align:left;vertical-align:top}td:not(.t),th{white-space:nowrap}"
    "img{max-width:100%}div{overflow-x:auto}"
)


def as_markdown(tables: Mapping[str, pd.DataFrame], title: str = PAIR, picture: Path | None = None) -> str:
    """The tables, and a link to a picture beside the file, as Markdown, which is also readable on a terminal."""
    parts = [f"## {name}\n\n{_grid(frame) if len(frame) else _none(name)}\n" for name, frame in tables.items()]
    above = [f"# {title}\n", f"![{ALT}]({picture.name})\n"] if picture else []
    return "\n".join([*above, *parts])


def _none(title: str) -> str:
    """The text in place of an empty table."""
    return NONE_SHARED if title == RATIOS else NONE_DIFFER


def _grid(frame: pd.DataFrame) -> str:
    rows = [list(frame.columns), *frame.astype(str).to_numpy().tolist()]
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(map(str.ljust, row, widths))} |" for row in rows)


def as_html(tables: Mapping[str, pd.DataFrame], title: str = PAIR, picture: Path | None = None) -> str:
    """The tables, and a PNG above them, as one page that needs no network."""
    parts = [
        f"<h2>{name}</h2>\n{_scrolling(frame) if len(frame) else f'<p>{_none(name)}</p>'}"
        for name, frame in tables.items()
    ]
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head = f'<meta charset="utf-8">{policy}<title>{title}</title><style>{STYLE}</style>'
    body = "\n".join([f"<h1>{title}</h1>", *([_embedded(picture)] if picture else []), *parts])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _scrolling(frame: pd.DataFrame) -> str:
    """The table in a frame of its own, so that a wide one does not widen the page."""
    return f"<div>{to_html(frame.astype(str))}</div>"


def _embedded(picture: Path) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    return f'<img alt="{ALT}" src="data:image/png;base64,{data}">'
