"""Documents of the block map from small simulations: a paged cache with preemption and sharing, and padded rows.

The arrays of slots come from the formulas of `kvbench.kv.split`; `holds` is what each request held, step by step.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builders.block_map_paged import paged_side
from builders.block_map_rows import rows_side
from builders.simulated_requests import Request

__all__ = ["Simulated", "encode", "paged_side", "requests_of", "rows_side", "simulate"]


@dataclass
class Simulated:
    """A document and, of each side and step, the cells that each request holds."""

    document: dict[str, Any]
    holds: list[list[dict[int, list[int]]]]

    def encoded(self) -> str:
        return encode(self.document)


def simulate(
    requests: Sequence[Request], *sides: Any, model: str = "tiny", workload: str = "mixed", **more: Any
) -> Simulated:
    """A document of these sides, as `paged_side` and `rows_side` return them."""
    document = {
        "version": 1,
        "model": model,
        "workload": workload,
        "requests": [_described(request) for request in requests],
        "sides": [side for side, _ in sides],
        "tour": [],
        **more,
    }
    return Simulated(document, [holds for _, holds in sides])


def _described(request: Request) -> dict[str, Any]:
    words = ("the", "cache", "holds", "one", "token", "in", "each", "slot", "of", "a", "block")
    said = [f" {words[request.token(i) % len(words)]}" for i in range(request.output)]
    prompt = " ".join(words[request.token(-i - 1) % len(words)] for i in range(request.prompt))
    sizes = {"prompt_tokens": request.prompt, "output_tokens": request.output}
    return {"id": request.id, **sizes, "prompt": prompt, "output": said}


def encode(document: dict[str, Any]) -> str:
    """Base64 of the document's JSON, compressed with gzip, as a page embeds it."""
    return base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0)).decode()


def requests_of(count: int = 24) -> list[Request]:
    """Requests of mixed lengths."""
    return [Request(f"r{i:02d}", 20 + 13 * i % 90, 8 + 7 * i % 40) for i in range(count)]
