"""Links from a request to the moment in a block map of the page at which it waited."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd

from kvbench.blockmap.embedded import shown


def linked(slowest: pd.DataFrame, maps: Sequence[tuple[str, str, str]], model: str, workload: str) -> pd.DataFrame:
    """The rows of slowest_requests.csv with a column `address`, empty where the page has no map of the run's point.

    `maps` are (model, workload with its rate, base64 of the gzipped document of docs/block-map.md).
    """
    by_name = {f"{of_model}/{name}": data for of_model, name, data in maps}
    names = {point: f"{model}/{shown(workload, point)}" for point in dict.fromkeys(slowest["point"])}
    documents = {name: _document(by_name[name]) for name in names.values() if name in by_name}
    rows = zip(*(slowest[name] for name in ("point", "engine", "request_id")), strict=True)
    found = [address(names[point], documents.get(names[point]), *request) for point, *request in rows]
    return slowest.assign(address=pd.Series(found, slowest.index, object))


def _document(data: str) -> dict[str, Any]:
    return json.loads(gzip.decompress(base64.b64decode(data)))


def address(name: str, document: Mapping[str, Any] | None, engine: str, request: str) -> str:
    """The address, within the page, of the last step at which a request waited on an engine.

    `name` is the map's in an address, `document` what it shows. Empty without a map, or one that does not serve the
    request on this engine. The map is of the pass that recorded blocks, which has the arrivals of the first repeat.
    """
    sides = document["sides"] if document else []
    side = next((number for number, one in enumerate(sides) if one["engine"] == engine), None)
    ids = [one["id"] for one in document["requests"]] if document else []
    if side is None or request not in ids:
        return ""
    number = ids.index(request)
    step = _waiting_step(sides[side], number)
    return "" if step is None else f"#map={quote(name)}&side={side}&step={step}&request={number}"


def _waiting_step(side: Mapping[str, Any], request: int) -> int | None:
    """The step before the request has its first tokens, or that step if it did not wait; None if it is not served."""
    pairs = side["tokens"][request]
    if not pairs:
        return None
    begins = side["arrives"][request] if "arrives" in side else 0
    return max(pairs[0] - 1, begins) if begins < pairs[0] else pairs[0]
