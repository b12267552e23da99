"""config.yaml with overlays laid over it, validated."""

from __future__ import annotations

from pathlib import Path

from kvbench.config.overlays import read_layers
from kvbench.config.settings import validate

ROOT = Path(__file__).resolve().parents[2]


def overlaid(*names: str) -> dict:
    """The whole configuration with config/<name>.yaml over it, one after the other."""
    layers = read_layers(ROOT / "config.yaml", [ROOT / f"config/{name}.yaml" for name in names], [])
    return validate(layers.config, ROOT / "schemas/config.schema.yaml", layers.origin)
