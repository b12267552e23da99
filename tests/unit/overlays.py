"""config.yaml with overlays beside it, validated."""

from __future__ import annotations

from pathlib import Path

from kvbench.config import validate
from kvbench.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[2]


def merged(base: dict, over: dict) -> dict:
    """As Snakemake lays one file over another."""
    return base | {
        key: merged(base.get(key) or {}, value) if isinstance(value, dict) else value for key, value in over.items()
    }


def overlaid(*names: str) -> dict:
    """The whole configuration with config/<name>.yaml over it, one after the other."""
    config = read_yaml(ROOT / "config.yaml")
    for name in names:
        config = merged(config, read_yaml(ROOT / f"config/{name}.yaml"))
    return validate(config, ROOT / "schemas/config.schema.yaml")
