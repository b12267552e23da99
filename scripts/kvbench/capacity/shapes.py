"""Shapes of models, which determine the size of weights and KV cache: from config/shapes.yaml, model.json or sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.model.record import ModelRecord
from kvbench.yaml_files import read_yaml

SIZES = ("layers", "kv_heads", "head_dim", "parameters")


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; `max_context` in tokens, 0 if unknown."""

    label: str
    layers: int
    kv_heads: int
    head_dim: int
    parameters: int
    max_context: int = 0
    source: str = ""


def read_shapes(path: str | Path) -> dict[str, Shape]:
    """The shapes of config/shapes.yaml by name; UserError if a shape lacks a size or its source."""
    found = (read_yaml(path) or {}).get("shapes")
    if not isinstance(found, dict):
        raise UserError(f"{path}: shapes: missing; write a mapping of names to {', '.join(SIZES)}")
    return {name: _shape(entry, f"{path}: shapes.{name}") for name, entry in found.items()}


def _shape(entry: Mapping[str, Any], at: str) -> Shape:
    for key in ("label", *SIZES, "max_context", "source"):
        if key not in entry:
            raise UserError(f"{at}: {key} is missing; add it")
    for key in (*SIZES, "max_context"):
        if type(entry[key]) is not int or entry[key] < 1:
            raise UserError(f"{at}.{key}: {entry[key]!r} is not a valid size; write a whole number of 1 or more")
    try:
        return Shape(**entry)
    except TypeError:
        raise UserError(f"{at}: has keys other than {', '.join(Shape.__dataclass_fields__)}; remove them") from None


def shape_of_record(record: ModelRecord) -> Shape:
    """The shape of a model of the configuration, from the record that prepare_model wrote."""
    own = record.architecture
    sizes = {name: getattr(own, name) for name in SIZES}
    return Shape(record.name, **sizes, max_context=own.max_position_embeddings or 0, source="models in config.yaml")


def shape_of_plan(plan: Mapping[str, Any], known: Mapping[str, Shape], at: str) -> Shape:
    """The shape that a plan gives or names; UserError if no model has this name."""
    if "shape" in plan:
        own = plan["shape"]
        label = f"A model of {own['layers']} layers and {own['kv_heads']} KV heads of {own['head_dim']}"
        return Shape(label, **own, source="sizes in config.yaml")
    if plan["model"] not in known:
        near = get_close_matches(plan["model"], known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}, or give a shape"
        raise UserError(f"config.yaml: {at}.model: unknown model {plan['model']}; {remedy}")
    return known[plan["model"]]
