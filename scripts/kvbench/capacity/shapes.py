"""Shapes of models, which determine the size of weights and KV cache: from config/shapes.yaml, model.json or sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kvbench.capacity.groups import groups_of
from kvbench.errors import UserError
from kvbench.kv.groups import FULL, LayerGroup
from kvbench.model.record import ModelRecord
from kvbench.yaml_files import check_keys, read_yaml

HEADS = ("layers", "kv_heads", "head_dim")  # of a model with full attention in every layer
KEYS = {"label": str, "parameters": int, "max_context": int, "source": str}
FROM_PLAN = "sizes in config.yaml"
CHECKED = "config"  # fields of the source's config.json, which only a test reads


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; `max_context` in tokens, 0 if unknown.

    `groups` say what its layers cache. `kv_heads` and `head_dim` are those of a model with full attention in every
    layer, and 0 for one that lists its groups.
    """

    label: str
    parameters: int
    groups: tuple[LayerGroup, ...]
    max_context: int = 0
    source: str = ""
    kv_heads: int = 0
    head_dim: int = 0

    @property
    def layers(self) -> int:
        """Layers of all groups."""
        return sum(group.layers for group in self.groups)

    @property
    def keeps_all(self) -> bool:
        """Whether all layers keep the same tokens, all of them, so that the cache is a number of equal slots."""
        return len(self.groups) == 1 and self.groups[0].window is None


def plain_shape(label: str, sizes: Mapping[str, int], **given: Any) -> Shape:
    """A shape whose layers all cache K and V of every token, from the sizes HEADS and `parameters`."""
    layers, kv_heads, head_dim = (sizes[name] for name in HEADS)
    groups = (LayerGroup(FULL, layers, 2 * kv_heads * head_dim),)
    return Shape(label, sizes["parameters"], groups, kv_heads=kv_heads, head_dim=head_dim, **given)


def read_shapes(path: str | Path) -> dict[str, Shape]:
    """The shapes of config/shapes.yaml by name; UserError if a shape lacks a size or its source."""
    given = read_yaml(path)
    found = given.get("shapes") if isinstance(given, dict) else None
    if not isinstance(found, dict):
        raise UserError(f"{path}: shapes: missing; write a mapping of names to {', '.join((*HEADS, 'parameters'))}")
    return {name: _shape(entry, f"{path}: shapes.{name}") for name, entry in found.items()}


def _shape(entry: Mapping[str, Any], at: str) -> Shape:
    own = ("groups",) if isinstance(entry, Mapping) and "groups" in entry else HEADS
    check_keys(at, entry, KEYS | dict.fromkeys(own, object), {CHECKED: dict})
    for key in ("parameters", "max_context", *(own if own == HEADS else ())):
        if type(entry[key]) is not int or entry[key] < 1:
            raise UserError(f"{at}.{key}: {entry[key]!r} is not a valid size; write a whole number of 1 or more")
    given = {"max_context": entry["max_context"], "source": entry["source"]}
    if own == HEADS:
        return plain_shape(entry["label"], entry, **given)
    groups = groups_of(entry["groups"], f"{at}.groups", entry["max_context"])
    return Shape(entry["label"], entry["parameters"], groups, **given)


def shape_of_record(record: ModelRecord) -> Shape:
    """The shape of a model of the configuration, from the record that prepare_model wrote."""
    own = record.architecture
    given = {"max_context": own.max_position_embeddings or 0, "source": "models in config.yaml"}
    found = Shape(record.name, own.parameters, own.groups, **given)
    plain = found.keeps_all and found.groups[0].elements == 2 * own.kv_heads * own.head_dim
    return replace(found, kv_heads=own.kv_heads, head_dim=own.head_dim) if plain else found


def shape_of_plan(plan: Mapping[str, Any], known: Mapping[str, Shape], at: str) -> Shape:
    """The shape that a plan gives or names; UserError if no model has this name."""
    if "shape" in plan:
        own = plan["shape"]
        if "groups" in own:
            groups = groups_of(own["groups"], f"config.yaml: {at}.shape.groups")
            words = " and ".join(f"{group.layers} {group.kind} layers" for group in groups)
            return Shape(f"A model of {words}", own["parameters"], groups, source=FROM_PLAN)
        label = f"A model of {own['layers']} layers and {own['kv_heads']} KV heads of {own['head_dim']}"
        return plain_shape(label, own, source=FROM_PLAN)
    if plan["model"] not in known:
        near = get_close_matches(plan["model"], known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}, or give a shape"
        raise UserError(f"config.yaml: {at}.model: unknown model {plan['model']}; {remedy}")
    return known[plan["model"]]


def chosen(shapes: Mapping[str, Shape], models: Sequence[str], at: str) -> dict[str, Shape]:
    """The shapes that a figure names, in its order; UserError if there is no such shape."""
    for name in models:
        if name not in shapes:
            raise UserError(f"{at}.models: unknown model {name}; use one of {', '.join(shapes)}")
    return {name: shapes[name] for name in models}
