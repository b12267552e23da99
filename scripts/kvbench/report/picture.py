"""A page that shows a map for a picture: both sides at one moment, with a title, a key and no controls."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kvbench.blockmap import load
from kvbench.engines.names import ONE_BLOCK
from kvbench.errors import UserError
from kvbench.files import reading
from kvbench.records import SPLIT
from kvbench.report.html import page

MIB = 2**20


def read_document(path: Path) -> dict[str, Any]:
    """The document of a map file. UserError if the file is not one, or has fewer than two sides to set side by side."""
    with reading(path, "a map of blocks"):
        document = json.loads(gzip.decompress(path.read_bytes()))
        sides = len(document.get("sides") or [])
    if sides < 2:
        raise UserError(f"{path}: a picture needs two engines; run vllm and vllm-contiguous on this workload")
    return document


def picture_page(path: Path) -> str:
    """The HTML of a map file's first two sides, the contiguous one on the left."""
    document = read_document(path)
    return page(
        "picture.html.j2",
        name=f"{document['model']}/{document['workload']}",
        data=load(path).data,
        title=title(document),
        sides=[
            {"heading": heading(side), "served_s": end(np.cumsum(side["t_us"])) / 1e6} for side in document["sides"][:2]
        ],
        requests=len(document["requests"]),
        expired=any(any(side.get("expired", ())) for side in document["sides"][:2]),
    )


def title(document: Mapping[str, Any]) -> str:
    """What both sides have in common."""
    first = document["sides"][0]
    memory = first["pool_slots"] * first["slot_bytes"] / MIB
    return f"The same {len(document['requests'])} requests in the same {memory:,.4g} MiB of KV cache"


def heading(side: Mapping[str, Any]) -> str:
    """How a side holds memory."""
    if side["form"] == "rows":
        return "Contiguous: a row for each request"
    tokens = side.get("block_tokens") or side["cell_slots"]
    if side["engine"] in ONE_BLOCK:
        return f"Contiguous: {tokens:,} tokens reserved per request"
    return f"Paged: blocks of {tokens:,} tokens on demand"


def moment(document: Mapping[str, Any]) -> int:
    """The step of the first side in which most slots hold a token."""
    return int(np.argmax(document["sides"][0]["live"]))


def table(document: Mapping[str, Any], step: int) -> pd.DataFrame:
    """What a picture at a step of the first side shows: a row a side, and when it had served all (`served_s`).

    UserError for a step that the first side does not have, or at which the other serves nothing.
    """
    steps = len(document["sides"][0]["t_us"])
    if not 0 <= step < steps:
        raise UserError(f"--step {step}: {document['sides'][0]['engine']} has the steps 0 to {steps - 1}")
    time = np.cumsum(document["sides"][0]["t_us"])[step]
    return pd.DataFrame([_row(document, side, time) for side in document["sides"][:2]])


def _row(document: Mapping[str, Any], side: Mapping[str, Any], time: int) -> dict[str, Any]:
    times = np.cumsum(side["t_us"])
    step = int(np.searchsorted(times, time, side="right")) - 1
    if step < 0 or time > end(times):
        raise UserError(f"{side['engine']} served nothing at this moment; choose another --step")
    allocated = sum(side[part][step] for part in SPLIT if part in side)
    running, waiting = side["running"][step], side["waiting"][step]
    return {
        "engine": side["engine"],
        "cells": side["cells"],
        "cell_slots": side["cell_slots"],
        "step": step,
        "steps": len(times),
        "time_s": time / 1e6,
        "running": running,
        "waiting": waiting,
        "served": len(document["requests"]) - running - waiting,
        "live_slots": side["live"][step],
        "allocated_slots": allocated,
        "live_share": side["live"][step] / allocated if allocated else None,
        "pool_bytes": side["pool_slots"] * side["slot_bytes"],
        "served_s": end(times) / 1e6,
    }


def end(times: np.ndarray) -> int:
    """Microseconds after which all was served: the last step is taken to last as long as the one before."""
    return int(times[-1] if len(times) < 2 else 2 * times[-1] - times[-2])
