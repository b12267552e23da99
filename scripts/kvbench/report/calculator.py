"""What capacity.html computes with: shapes, cards, number types, plans to begin with, and the lengths of workloads."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from kvbench.capacity.fit import POLICIES
from kvbench.capacity.shapes import HEADS, Shape
from kvbench.model.slots import ITEMSIZE, KV_DTYPES
from kvbench.workload.lengths import KINDS, Lengths, stream_of


def document(
    plans: Mapping[str, Any],
    known: Mapping[str, Shape],
    sizes: Mapping[str, Any],
    cards: Mapping[str, int],
    seed: int,
) -> dict[str, Any]:
    """The document as JSON.

    Args:
        plans: `capacity` of config.yaml with defaults filled in.
        known: models that a plan may name.
        sizes: entries of config/shapes.yaml by name, with the sizes that the elements of a group come from.
        cards: memory of cards in MiB by name.
        seed: that of config.yaml, from which lengths are drawn.
    """
    return {
        "policies": POLICIES,
        "dtypes": ITEMSIZE,
        "kv_dtypes": KV_DTYPES,
        "shapes": {name: _shape(shape, sizes.get(name, {})) for name, shape in known.items()},
        "cards": dict(cards),
        "plans": dict(plans),
        "workloads": {name: _workload(name, seed) for name in KINDS},
    }


def script(found: Mapping[str, Any]) -> Markup:
    """A document as the text of a script element, which no text in it can end."""
    return Markup(json.dumps(found, separators=(",", ":")).replace("<", "\\u003c"))


def _shape(shape: Shape, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """A shape; its groups have the sizes of which their elements are made, where they are known."""
    heads = [{name: getattr(shape, name) for name in HEADS[1:]}] if shape.kv_heads else [{}] * len(shape.groups)
    own = sizes.get("groups", heads)
    return {
        "label": shape.label,
        "parameters": shape.parameters,
        "max_context": shape.max_context,
        "source": shape.source,
        "groups": [{**one, **asdict(group)} for one, group in zip(own, shape.groups, strict=True)],
    }


def _workload(name: str, seed: int) -> dict[str, Any]:
    """Distributions of prompt and output lengths, and the state of the generator before it draws the first of them."""
    pairs, state = KINDS[name](), stream_of(name, seed).state["state"]
    return {
        "prompt": _distribution(pairs.prompt),
        "output": _distribution(pairs.output),
        "limit": pairs.limit,
        "stratified": pairs.stratified,
        "state": str(state["state"]),
        "increment": str(state["inc"]),
    }


def _distribution(lengths: Lengths) -> dict[str, Any]:
    """Thresholds as base64 of float64, which holds integers up to 2^53 exactly."""
    return {"first": lengths.first, "thresholds": base64.b64encode(lengths.thresholds.astype("<f8").tobytes()).decode()}
