"""The replay's policies and allocators by name, and what its configuration means; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESERVING = ("reserve-max", "power-of-two", "oracle")  # one piece for each request
PADDED = ("hf-batch", "hf-static")
POLICIES = (*RESERVING, *PADDED, "paged")
ALLOCATORS = ("buddy", "best-fit")


def takes_time(own: Mapping[str, Any]) -> bool:
    """Whether a step of a scenario or plan lasts longer than nothing."""
    return any(own.get("step_time", {}).get(key) for key in ("constant_s", "per_token_s"))
