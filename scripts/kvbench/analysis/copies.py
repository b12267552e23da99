"""The entries of bandwidth.json that belong to given GPUs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def copies_of(bandwidth: Mapping[str, Any], gpu_ids: Collection[str]) -> list[dict[str, Any]]:
    """Entries of `copy` of these GPUs, else all: of another host, or from before either named its GPUs."""
    return [one for one in bandwidth["copy"] if one.get("gpu_id") in gpu_ids] or list(bandwidth["copy"])
