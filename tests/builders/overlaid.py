"""config.yaml with overlays laid over it, validated."""

from __future__ import annotations

from builders.places import CONFIG, ROOT, SCHEMA
from kvbench.config.overlays import read_layers
from kvbench.config.settings import validate


def overlaid(*names: str) -> dict:
    """The whole configuration with config/<name>.yaml over it, one after the other."""
    layers = read_layers(CONFIG, [ROOT / f"config/{name}.yaml" for name in names], [])
    return validate(layers.config, SCHEMA, layers.origin)
