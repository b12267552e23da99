"""bandwidth.json: how fast a device copies."""

from __future__ import annotations

from typing import Any


def bandwidth(bytes_per_s: float = 1e10, gpus: int = 0) -> dict[str, Any]:
    """That of a CPU, or of so many GPUs that are equally fast."""
    if not gpus:
        return {"device": "cpu", "copy": [{"gpu": None, "bytes_per_s": bytes_per_s}]}
    return {"device": "cuda", "copy": [{"gpu": index, "bytes_per_s": bytes_per_s} for index in range(gpus)]}
