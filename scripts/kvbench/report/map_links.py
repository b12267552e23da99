"""Links from a request to the moment in a block map of the page at which it waited."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd

BASE = "base"


def of_pair(maps: Sequence[tuple[str, str, str]], model: str, workload: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """The page's maps of a model and workload by the point that they show: their name in an address, and the document.

    `maps` are (model, workload, base64 of the gzipped document of docs/block-map.md).
    """
    found = {}
    for name_of_model, name_of_workload, data in maps:
        if (name_of_model, name_of_workload) == (model, workload):
            document = json.loads(gzip.decompress(base64.b64decode(data)))
            found[document.get("point", BASE)] = (f"{model}/{workload}", document)
    return found


def linked(slowest: pd.DataFrame, maps: Sequence[tuple[str, str, str]], model: str, workload: str) -> pd.DataFrame:
    """The rows of slowest_requests.csv with a column `address`, empty where the page has no map of the run's point."""
    if slowest.empty:
        return slowest.assign(address="")
    known = of_pair(maps, model, workload)
    rows = zip(*(slowest[name] for name in ("point", "engine", "request_id")), strict=True)
    return slowest.assign(address=[address(*known.get(point, ("", None)), *request) for point, *request in rows])


def address(name: str, document: Mapping[str, Any] | None, engine: str, request: str) -> str:
    """The address, within the page, of the last step at which a request waited on an engine.

    `name` is the map's in an address, `document` what it shows. Empty without a map, or one that does not serve the
    request on this engine. The map is of the pass that recorded blocks, whose arrivals have a pattern of their own.
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
