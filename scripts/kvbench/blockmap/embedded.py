"""A finished map as a page embeds it."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from pathlib import Path

from kvbench.files import reading
from kvbench.workload.rates import FROM_FILE, is_rate, rate_text

SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Map:
    """The map of a model and workload; `data` is its document, compressed with gzip and encoded as base64.

    Where requests arrive over time, `workload` names the rate too.
    """

    model: str
    workload: str
    data: str


def load(path: str | Path) -> Map:
    """Read a gzipped document, `<model>/<workload>.json.gz` or `<model>/<workload>/<point>.json.gz`.

    UserError if it is missing, not compressed or damaged.
    """
    path = Path(path)
    with reading(path, "a whole gzip file"):
        content = path.read_bytes()
        gzip.decompress(content)
    name, folder = path.name.removesuffix(SUFFIX), path.parent
    model, workload = (folder.parent.name, shown(folder.name, name)) if is_rate(name) else (folder.name, name)
    return Map(model, workload, base64.b64encode(content).decode())


def shown(workload: str, point: str) -> str:
    """The workload's name with its rate, as the page shows it."""
    rate = rate_text(point)
    return f"{workload}, {'arrivals of its file' if rate == FROM_FILE else f'{rate} requests/s'}"
