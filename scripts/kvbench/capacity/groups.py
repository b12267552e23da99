"""The KV groups of a shape, from their entries in config/shapes.yaml or in a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kvbench.errors import UserError
from kvbench.kv.groups import FULL, MLA, SLIDING, LayerGroup

# The sizes that each kind of layers needs beside `layers`.
NEEDED = {FULL: ("kv_heads", "head_dim"), SLIDING: ("kv_heads", "head_dim", "window"), MLA: ("latent", "rope")}


def groups_of(entries: Any, at: str, max_context: int = 0) -> tuple[LayerGroup, ...]:
    """The groups that a shape lists.

    Args:
        entries: of each group, its `kind`, `layers` and the sizes of NEEDED.
        at: file and key, for messages.
        max_context: the longest context in tokens; 0 if unknown.

    Raises:
        UserError: a group of unknown kind or with other keys, a size that is not a whole number, a window that no
            context fills, or two groups that are one.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str) or not entries:
        raise UserError(f"{at}: {entries!r} is not a list of groups; write one entry for each kind of layers")
    found = tuple(_group(entry, f"{at}[{i}]", max_context) for i, entry in enumerate(entries))
    if len({(group.kind, group.window) for group in found}) < len(found):
        raise UserError(f"{at}: two groups have the same kind and window; add up their layers in one")
    return found


def _group(entry: Any, at: str, max_context: int) -> LayerGroup:
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or kind not in NEEDED:
        raise UserError(f"{at}.kind: {kind!r} is unknown; write one of {', '.join(NEEDED)}")
    names = ("layers", *NEEDED[kind])
    for name in names:
        if name not in entry:
            raise UserError(f"{at}.{name}: missing; a group of kind {kind} has kind, {', '.join(names)}")
        if type(entry[name]) is not int or entry[name] < 1:
            raise UserError(f"{at}.{name}: {entry[name]!r} is not a valid size; write a whole number of 1 or more")
    for name in entry:
        if name not in ("kind", *names):
            raise UserError(f"{at}.{name}: unknown key; a group of kind {kind} has kind, {', '.join(names)}")
    window = entry.get("window")
    if window and max_context and window > max_context:
        raise UserError(
            f"{at}.window: {window} is more than the {max_context} tokens of max_context; lower it, or write a group "
            "of kind full"
        )
    elements = entry["latent"] + entry["rope"] if kind == MLA else 2 * entry["kv_heads"] * entry["head_dim"]
    return LayerGroup(kind, entry["layers"], elements, window)
