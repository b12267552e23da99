"""A run of two requests that share blocks, small enough to follow by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from builders.requests import requests_of
from builders.schedules import schedule_of
from builders.served_passes import map_of_pass


def shared_document(folder: Path, lengths: list[tuple[int, int]], **changes: Any) -> dict[str, Any]:
    """The map of two requests with 70 tokens, of which the second finds 64 in the cache (`schedule_of`).

    `last`: tokens of both in step 2. All block ids are read at every step.
    """
    given = {
        "block_step": [0, 0, 1, 1, 2, 2],
        "block_request": [0, 1] * 3,
        "block_tokens": [70, 70, 71, 71, *changes.pop("last", (71, 71))],
        "block_length": [3] * 6,
        "block_ids": np.concatenate([[1, 2, 3], [1, 2, 4]] * 3),
        "free_blocks": [5, 5, 5],
        **changes,
    }
    generated = SimpleNamespace(schedule=schedule_of(**given), batches=[])
    requests = requests_of([(tuple(range(prompt)), output) for prompt, output in lengths])
    return map_of_pass(folder, "vllm", generated, requests, shared=True, slot_bytes=1, block_size=32, blocks=9)


def goes_on(request: int) -> dict:
    """Step 2 schedules one token of one request, which is its last; the other has ended in step 1."""
    return {
        "scheduled_tokens": [76, 2, 1],
        "dump_length": [2, -1, 1],
        "dump_request": [0, 1, request],
        "dump_tokens": [70, 6, 1],
        "last": (72, 71) if request == 0 else (71, 72),
    }
