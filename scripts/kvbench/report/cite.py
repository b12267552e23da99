"""BibTeX entries from CITATION.cff: kvbench, then what it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvbench.yaml_files import read_yaml

CITATION = Path(__file__).resolve().parents[3] / "CITATION.cff"


def bibtex(path: Path = CITATION) -> str:
    """The entries, with an empty line between them."""
    found = read_yaml(path)
    software = {"title": found["title"], "author": _authors(found), "version": found["version"]}
    entries = [_entry("software", "kvbench", software), *map(_reference, found.get("references") or [])]
    return "\n\n".join(entries)


def _reference(one: Mapping[str, Any]) -> str:
    fields = {
        "title": one["title"],
        "author": _authors(one),
        "booktitle": one.get("collection-title"),
        "year": one.get("year"),
        "doi": one.get("doi"),
    }
    kind = "inproceedings" if "collection-title" in one else "misc"
    return _entry(kind, f"{one['authors'][0]['family-names'].lower()}{one.get('year', '')}", fields)


def _entry(kind: str, key: str, fields: Mapping[str, Any]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value is not None]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _authors(of: Mapping[str, Any]) -> str:
    """Names as BibTeX reads them; an organisation in braces stays whole."""
    names = [
        f"{{{one['name']}}}" if "name" in one else f"{one['family-names']}, {one['given-names']}"
        for one in of["authors"]
    ]
    return " and ".join(names)
