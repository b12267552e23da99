"""Contents of bandwidth.json: the measured copy bandwidth of a device."""

from __future__ import annotations

from typing import Any


def bandwidth(bytes_per_s: float = 1e10, gpus: int = 0) -> dict[str, Any]:
    """Return the bandwidth record of a CPU, or of `gpus` equally fast GPUs."""
    if not gpus:
        return {"device": "cpu", "copy": [{"gpu": None, "bytes_per_s": bytes_per_s}]}
    return {"device": "cuda", "copy": [{"gpu": index, "bytes_per_s": bytes_per_s} for index in range(gpus)]}
