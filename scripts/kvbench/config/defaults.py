"""What a schema makes of settings before they are checked: defaults filled in, numbers written as text made numbers."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from kvbench.config.alternatives import chosen

NUMBER = re.compile(r"[-+]?[\d.]+([eE][-+]?\d+)?")


def with_defaults(value: Any, schema: dict) -> Any:
    """A copy of `value` completed after a schema without references; what has a wrong type stays as it is."""
    if "oneOf" in schema:
        number = chosen(value, schema["oneOf"])
        return value if number is None else with_defaults(value, schema["oneOf"][number])
    value = _laid_over_default(_as_number(value, schema), schema)
    if schema.get("type") == "object" and isinstance(value, dict):
        return _filled(value, schema)
    if schema.get("type") == "array" and isinstance(value, list):
        return [with_defaults(item, schema["items"]) for item in value]
    return value


def _filled(value: dict, schema: dict) -> dict:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    value = {str(key): item for key, item in value.items()}
    for key, sub in properties.items():
        if key not in value and "default" in sub:
            value[key] = deepcopy(sub["default"])
    subs = {key: properties.get(key, others) for key in value}
    return {key: with_defaults(item, subs[key]) if isinstance(subs[key], dict) else item for key, item in value.items()}


def _laid_over_default(value: Any, schema: dict) -> Any:
    """An empty section takes its default; a section's own keys are laid over its default's."""
    if schema.get("type") != "object" or not isinstance(value, dict | None):
        return value
    if value is None and ("default" in schema or schema.get("additionalProperties") is True):
        value = {}
    return {**deepcopy(schema.get("default", {})), **value} if value is not None else None


def _as_number(value: Any, schema: dict) -> Any:
    """`value` as a number where one is wanted and text holds one: YAML reads 1e-3 as text."""
    kinds = {sub.get("type") for sub in schema.get("anyOf", [schema])}
    if isinstance(value, str) and kinds & {"integer", "number"} and NUMBER.fullmatch(value):
        try:
            value = float(value)
        except ValueError:
            return value
    whole = isinstance(value, float) and value.is_integer() and "integer" in kinds
    return int(value) if whole else value
