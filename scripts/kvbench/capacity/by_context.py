"""results/tables/kv_by_context.csv: bytes of KV of a request against its length, by group of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.analysis.published import Published
from kvbench.capacity.group_bytes import group_bytes, group_slope
from kvbench.capacity.shapes import Shape, chosen
from kvbench.errors import UserError
from kvbench.kv.groups import as_full
from kvbench.model.slots import KV_DTYPES, cache_itemsize
from kvbench.yaml_files import check_keys, check_list, read_yaml

QUANTITY = "kv_wasted_as_full_share"
KEYS = {"models": list, "kv_dtype": str, "contexts_tokens": list}


@dataclass(frozen=True)
class ByContext:
    """What the figure shows, from the key `by_context` of config/shapes.yaml."""

    models: tuple[str, ...]
    kv_dtype: str
    contexts_tokens: tuple[int, ...]


def read_by_context(path: str | Path, shapes: Mapping[str, Shape]) -> ByContext:
    """The models, the number type and the lengths of the figure; UserError if one is missing or unknown."""
    given = read_yaml(path)
    found = given.get("by_context") if isinstance(given, dict) else None
    check_keys(f"{path}: by_context", found, KEYS)
    check_list(f"{path}: by_context.models", found["models"], str)
    check_list(f"{path}: by_context.contexts_tokens", found["contexts_tokens"], int)
    chosen(shapes, found["models"], f"{path}: by_context")
    if found["kv_dtype"] not in KV_DTYPES:
        problem = f"{found['kv_dtype']!r} is unknown; use one of {', '.join(KV_DTYPES)}"
        raise UserError(f"{path}: by_context.kv_dtype: {problem}")
    return ByContext(tuple(found["models"]), found["kv_dtype"], tuple(found["contexts_tokens"]))


def table(shapes: Mapping[str, Shape], own: ByContext, published: Sequence[Published]) -> pd.DataFrame:
    """One row per shape, length and group of layers, up to the length for which the model was trained.

    The model's own longest context is one of its lengths. A published share stands in the rows to which it applies.
    """
    rows = (row for name, shape in shapes.items() for row in _rows(name, shape, own, published))
    return pd.DataFrame(rows)


def _rows(name: str, shape: Shape, own: ByContext, published: Sequence[Published]) -> Iterator[dict[str, Any]]:
    size = cache_itemsize(own.kv_dtype, own.kv_dtype)
    lengths = sorted({length for length in own.contexts_tokens if length < shape.max_context} | {shape.max_context})
    for length in lengths:
        sizes = group_bytes(shape.groups, size, length)
        full = sum(group_bytes(as_full(shape.groups), size, length))
        told = [one for one in published if one.applies({"shape": name, "context_tokens": length})]
        for number, (group, kept) in enumerate(zip(shape.groups, sizes, strict=True), 1):
            yield {
                "shape": name,
                "model": shape.label,
                "kv_dtype": own.kv_dtype,
                "context_tokens": length,
                "group": number,
                "kind": group.kind,
                "layers": group.layers,
                "window_tokens": group.window,
                "token_bytes": group.token_elements * size,
                "kept_tokens": group.stored(length),
                "group_bytes": kept,
                "next_token_bytes": group_slope(group, size, length),
                "request_bytes": sum(sizes),
                "as_full_bytes": full,
                "wasted_as_full_share": 1 - sum(sizes) / full,
                "published_share": told[0].low if told else None,
                "published_source": told[0].source if told else None,
            }
