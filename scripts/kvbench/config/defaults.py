"""Completes settings before they are checked: fills in the schema's defaults and converts numbers.

Numbers may be written as text or, where a library wants a float (`format: float`), without a point.
"""

from __future__ import annotations

import re
from typing import Any

from kvbench.config.alternatives import chosen

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def with_defaults(value: Any, schema: dict) -> Any:
    """A copy of `value` completed by a schema without references; values of a wrong type stay as they are."""
    if "oneOf" in schema:
        number = chosen(value, schema["oneOf"])
        return value if number is None else with_defaults(value, schema["oneOf"][number])
    if schema.get("type") == "object":
        return _section(value, schema)
    if schema.get("type") == "array" and isinstance(value, list):
        return [with_defaults(item, schema["items"]) for item in value]
    return _as_number(value, schema)


def _section(value: Any, schema: dict) -> Any:
    """A section merged over its default; an empty section becomes the default, or {} if any keys are allowed."""
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    if value is None and ("default" in schema or others is True):
        value = {}
    if not isinstance(value, dict):
        return value
    value = {str(key): item for key, item in {**schema.get("default", {}), **value}.items()}
    missing = {key: sub["default"] for key, sub in properties.items() if "default" in sub and key not in value}
    pairs = [(key, item, properties.get(key, others)) for key, item in {**value, **missing}.items()]
    return {key: with_defaults(item, sub) if isinstance(sub, dict) else item for key, item, sub in pairs}


def _as_number(value: Any, schema: dict) -> Any:
    """`value` as a number of the kind that the schema wants, if it is one: YAML reads 1e-3 as text."""
    kinds = {sub.get("type") for sub in schema.get("anyOf", [schema])}
    if isinstance(value, str) and kinds & {"integer", "number"} and NUMBER.fullmatch(value):
        value = float(value)
    if schema.get("format") == "float":
        return _with_point(value)
    whole = isinstance(value, float) and value.is_integer() and "integer" in kinds
    return int(value) if whole else value


def _with_point(value: Any) -> Any:
    """A whole number as a float, where a library refuses an int; one that no float can hold stays and is refused."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    try:
        return float(value)
    except OverflowError:
        return value
