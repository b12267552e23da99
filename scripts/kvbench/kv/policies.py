"""Names of the replay's policies, allocators and routers; this module imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESERVING = ("reserve-max", "power-of-two", "oracle")  # one contiguous piece per request
PADDED = ("hf-batch", "hf-static")
POLICIES = (*RESERVING, *PADDED, "paged")
ALLOCATORS = ("buddy", "best-fit")
PREFIX_AWARE = "prefix-aware"
ROUTERS = ("round-robin", "least-outstanding", PREFIX_AWARE)  # in the order of the kinds of `replay.kernels.routers`


def takes_time(own: Mapping[str, Any]) -> bool:
    """Whether steps of a scenario or plan take time, so that arrivals can spread over them."""
    return any(value for key, value in own.get("step_time", {}).items() if key != "source")
