"""config.yaml with one of the overlays beside it, validated."""

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


def overlaid(name: str) -> dict:
    """The whole configuration with config/<name>.yaml over it."""
    config = merged(read_yaml(ROOT / "config.yaml"), read_yaml(ROOT / f"config/{name}.yaml"))
    return validate(config, ROOT / "schemas/config.schema.yaml")
