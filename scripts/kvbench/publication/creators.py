"""Who made kvbench and under which licence, from CITATION.cff, as entities of a crate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

CITATION = "CITATION.cff"


def citation(root: Path) -> dict[str, Any]:
    """CITATION.cff; UserError for a field that a crate needs and it lacks."""
    found = read_yaml(root / CITATION)
    for key in ("title", "version", "license", "authors"):
        if not found.get(key):
            raise UserError(f"{CITATION}: {key} is missing; add it")
    return found


def creators(found: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """`(@id, properties)` of each author: a person, with ORCID where there is one, or an organisation."""
    return [_creator(author) for author in found["authors"]]


def _creator(author: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if "name" in author:
        return f"#{author['name'].replace(' ', '-')}", {"@type": "Organization", "name": author["name"]}
    name = f"{author['given-names']} {author['family-names']}"
    facts = {"@type": "Person", "name": name}
    facts |= {"givenName": author["given-names"], "familyName": author["family-names"]}
    return author.get("orcid") or f"#{name.replace(' ', '-')}", facts


def licence(found: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """`(@id, properties)` of the licence, by its SPDX identifier."""
    return f"https://spdx.org/licenses/{found['license']}", {"@type": "CreativeWork", "name": found["license"]}
