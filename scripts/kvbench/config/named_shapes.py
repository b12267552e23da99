"""Shapes by name: `shape: llama-2-7b` stands for the sizes of that model in config/shapes.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kvbench.config.wording import Invalid, quote, suggest
from kvbench.model.shape import FRIENDLY, LLAMA
from kvbench.yaml_files import read_yaml

SHAPES = Path(__file__).resolve().parents[3] / "config/shapes.yaml"


@cache
def published() -> Mapping[str, Any]:
    """The entries of config/shapes.yaml by name, read once."""
    return read_yaml(SHAPES)["shapes"]


def with_shapes(config: Any) -> Any:
    """`config` with sizes in place of the names of shapes; Invalid for an unknown name. All else stays as it is."""
    models = config.get("models") if isinstance(config, dict) else None
    if not isinstance(models, dict):
        return config
    return {**config, "models": {name: _with_shape(name, model) for name, model in models.items()}}


def _with_shape(name: str, model: Any) -> Any:
    if not (isinstance(model, dict) and isinstance(model.get("shape"), str)):
        return model
    wanted = model["shape"]
    if wanted not in published():
        raise Invalid(f"models.{name}.shape", f"unknown shape {quote(wanted)}; {suggest(wanted, published())}")
    return {**model, "shape": sizes(published()[wanted])}


def sizes(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A shape, as `models.<name>.shape` has it, of an entry of config/shapes.yaml.

    Sizes that all architectures have get their friendly names, under which they are checked before a model is built.
    `layer_types` repeats to the number of layers.
    """
    own = entry["config"]
    names = FRIENDLY.get(own["model_type"], LLAMA)
    friendly = {names[name]: name for name in LLAMA if names[name]}
    shape = {friendly.get(field, field): value for field, value in own.items()}
    if "layer_types" in shape:
        shape["layer_types"] = (shape["layer_types"] * shape["layers"])[: shape["layers"]]
    return {**shape, "max_position_embeddings": entry["max_context"]}
