"""The block map's data: what engines recorded of their caches, step by step, as one document; see docs/block-map.md."""

from kvbench.blockmap.embedded import Map, load

__all__ = ["Map", "load"]
