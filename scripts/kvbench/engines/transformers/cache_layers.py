"""Which layers of a model have which kind of cache in Transformers."""

from __future__ import annotations

from typing import Any


def first_layers(config: Any) -> list[int]:
    """The number of the first layer of each kind of cache of a model, in the order of `Architecture.groups`."""
    from transformers import DynamicCache

    found: dict[tuple[str, Any], int] = {}
    for number, layer in enumerate(DynamicCache(config=config).layers):
        found.setdefault((type(layer).__name__, getattr(layer, "sliding_window", None)), number)
    return list(found.values())
