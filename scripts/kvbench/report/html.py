"""Makes HTML pages that need no network: one style, tables as text, embedded pictures."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kvbench.errors import UserError
from kvbench.figures import not_drawn
from kvbench.figures.registry import FIGURES
from kvbench.report.cells import to_html

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "figures"
# The table that goes with a figure which is drawn from other files.
BESIDE = {"memory": "kv_waste", "workload_lengths": "workloads"}
# Every page holds its scripts, styles and pictures itself; a browser that shows it asks the network for nothing.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'"
)
MIME = {".svg": "image/svg+xml", ".png": "image/png"}
PLAIN = " =:/;,.()-+*!?_~@$"  # as they are in the data URI of a text inside an attribute of HTML


@dataclass(frozen=True)
class Figure:
    """A figure as a page embeds it."""

    name: str
    source: str
    caption: str
    not_drawn: str = ""  # the sentence, if the figure could not be drawn
    place: str = ""  # its files beside the page, without a suffix, as an address
    table: str = ""  # the CSV beside the page with its numbers, as an address


def page(template: str, **values: Any) -> str:
    """Render a template of `templates/`; a missing value is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    jinja = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    jinja.filters |= {"table": to_html, "pretty": lambda value: json.dumps(value, indent=2, sort_keys=True)}
    return jinja.get_template(template).render(policy=POLICY, **values)


def figure(path: Path) -> Figure:
    """The figure in a file, with its caption or, if it could not be drawn, the reason; UserError if it is not whole."""
    content = path.read_bytes()
    if not _is_whole(path.suffix, content):
        raise UserError(f"{path}: not a whole picture; delete it and run again")
    reason = not_drawn.find(content)
    return Figure(path.stem, embed(path), reason or caption(path.stem), reason, place(path), table(path.stem))


def _is_whole(suffix: str, content: bytes) -> bool:
    """Whether a picture ends as its format does."""
    end = {".svg": b"</svg>", ".png": b"IEND\xaeB`\x82"}.get(suffix, b"")
    return content.rstrip(b"\n").endswith(end)


def place(path: Path) -> str:
    """The address, beside the page, of a figure's files without their suffix; empty outside a folder `figures`."""
    parts = path.with_suffix("").parts
    return quote("/".join(parts[parts.index(FOLDER) :])) if FOLDER in parts else ""


def table(name: str) -> str:
    """The address, beside the page, of the table that goes with a figure; empty if there is none."""
    found = next((entry.table for entry in FIGURES if entry.name == name), None) or BESIDE.get(name)
    return f"tables/{found}.csv" if found else ""


def embed(path: Path) -> str:
    """A picture as a data URI; UserError if browsers cannot show its format.

    SVG stays text, a fifth smaller than in base64: line breaks and indents become single spaces, and only what ends an
    attribute or means something in an address is escaped.
    """
    if path.suffix not in MIME:
        raise UserError(f"{path}: the report shows svg or png; name one of them in config.yaml: figures.formats")
    if path.suffix == ".svg":
        text = " ".join(path.read_text(encoding="utf-8").split())
        return f"data:{MIME[path.suffix]},{quote(text, safe=PLAIN)}"
    return f"data:{MIME[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def caption(name: str) -> str:
    """A figure's caption, which Snakemake's report shows too."""
    return (ROOT / "captions" / f"{name}.rst").read_text(encoding="utf-8").strip()
