"""config.yaml with overlays applied, validated."""

from __future__ import annotations

from builders.places import CONFIG, ROOT, SCHEMA
from kvbench.config.overlays import read_layers
from kvbench.config.settings import validate


def overlaid(*names: str, sources: bool = True) -> dict:
    """Return the validated configuration after applying each config/<name>.yaml in order.

    Without `sources` files that the user brings need not be there.
    """
    layers = read_layers(CONFIG, [ROOT / f"config/{name}.yaml" for name in names], [])
    return validate(layers.config, SCHEMA, layers.origin, sources=sources)
