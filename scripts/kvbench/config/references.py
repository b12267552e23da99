"""Resolve the references of a schema."""

from __future__ import annotations

from typing import Any


def written_out(root: dict) -> dict:
    """A schema without `$ref`: keys beside a reference override its target's; the target's default is dropped."""
    return _without_references({key: item for key, item in root.items() if key != "$defs"}, root)


def _without_references(node: Any, root: dict) -> Any:
    if isinstance(node, list):
        return [_without_references(item, root) for item in node]
    if not isinstance(node, dict):
        return node
    while "$ref" in node:
        beside = {key: item for key, item in node.items() if key != "$ref"}
        node = {**_target(node["$ref"], root), **beside}
    return {key: _without_references(item, root) for key, item in node.items()}


def _target(reference: str, root: dict) -> dict:
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return {key: item for key, item in target.items() if key != "default"}
