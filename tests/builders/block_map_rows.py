"""A side of a block map with one row for each request: padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from builders.block_map_recorder import ADMITTED, COMPLETED, Recorder
from builders.simulated_requests import Request
from kvbench.kv.split import split_rows


def rows_side(
    requests: Sequence[Request],
    *,
    engine: str = "hf-static",
    rows: int = 3,
    width: int | None = 256,
    pool_slots: int = 0,
) -> tuple[dict[str, Any], list[dict[int, list[int]]]]:
    """Padded batches in order of arrival, as wide as `width` or, if it is None, as far as their tokens reach."""
    out = Recorder(requests)
    widths: list[int] = []
    pads = [0] * len(requests)
    for first in range(0, len(requests), rows):
        _serve_batch(out, range(first, min(first + rows, len(requests))), width, widths, pads)
    sizes = {"cells": min(rows, len(requests)), "cell_slots": None, "pool_slots": pool_slots or rows * max(widths)}
    source = "A simulation: one row for each request, until its whole batch has ended."
    return out.side(engine=engine, form="rows", source=source, **sizes, pads=pads, width=widths), out.holds


def _serve_batch(out: Recorder, batch: range, width: int | None, widths: list[int], pads: list[int]) -> None:
    members = [out.requests[request] for request in batch]
    prompt, output = (np.array([getattr(member, name) for member in members]) for name in ("prompt", "output"))
    for request in list(out.now):
        out.empty(request)
    for row, request in enumerate(batch):
        out.event(ADMITTED, request)
        out.give(request, row)
        pads[request] = int(prompt.max()) - out.requests[request].prompt
    for number in range(1, int(output.max()) + 1):
        widths.append(width or int(prompt.max()) + number - 1)
        stored, ended = prompt + number - 1, number > output
        split = split_rows(widths[-1], prompt.max() - prompt, stored, prompt + output - 1, ended).sum()
        for request in np.array(batch)[output == number]:
            out.event(COMPLETED, int(request))
        held = dict(zip(batch, stored.tolist(), strict=True))
        out.record(held, split, int((~ended).sum()), len(out.requests) - batch.stop)
