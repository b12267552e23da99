"""A finished map as a page embeds it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from kvbench.errors import UserError

SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Map:
    """The map of a model and workload; `data` is its document, compressed with gzip and encoded as base64."""

    model: str
    workload: str
    data: str


def load(path: str | Path) -> Map:
    """Read `<model>/<workload>.json.gz`, the gzipped document; UserError if it is missing or not compressed."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the rule that makes it first") from None
    if content[:2] != b"\x1f\x8b":
        raise UserError(f"{path}: not a gzip file; delete it and run again")
    return Map(path.parent.name, path.name.removesuffix(SUFFIX), base64.b64encode(content).decode())
