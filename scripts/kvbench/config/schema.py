"""Check settings against a JSON Schema, fill in its defaults, and say what is wrong in words a user can act on.

Only the keywords that schemas/config.schema.yaml uses are known; a test holds the outcome against jsonschema's.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

NAMES = {"object": "a mapping of keys", "array": "a list", "string": "text", "boolean": "true or false"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


class Invalid(Exception):
    """A setting that the schema refuses: where it is (`runs[1].engines`) and what is wrong with it."""

    def __init__(self, at: str, problem: str):
        super().__init__(f"{at}: {problem}")
        self.at, self.problem = at, problem


class Schema:
    """A schema whose `complete` returns a checked copy of a value."""

    def __init__(self, root: dict):
        self.root = root

    def complete(self, value: Any, schema: dict | None = None, at: str = "") -> Any:
        """A copy of `value` with defaults filled in and numbers written as text made numbers; Invalid if refused."""
        schema = self.resolve(self.root if schema is None else schema)
        if "oneOf" in schema:
            schema = self._alternative(value, schema["oneOf"], at)
        value = _with_default(_as_number(value, schema), schema)
        if "type" not in schema:
            _check_choice(value, schema, at)
        elif schema["type"] == "object":
            return self._object(value, schema, at)
        elif schema["type"] == "array":
            return self._array(value, schema, at)
        else:
            _check_scalar(value, schema, at)
        return value

    def resolve(self, schema: dict) -> dict:
        """`schema` with its `$ref` followed; keys beside the reference win, and no default comes through it."""
        if "$ref" not in schema:
            return schema
        target: Any = self.root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        inherited = {key: item for key, item in self.resolve(target).items() if key != "default"}
        return {**inherited, **{key: item for key, item in schema.items() if key != "$ref"}}

    def _object(self, value: Any, schema: dict, at: str) -> dict:
        _check_type(value, schema, at)
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        value = {str(key): item for key, item in value.items()}
        for key in value:
            if key not in properties:
                _check_key(key, schema, properties, join(at, key))
        for key, sub in properties.items():
            if key not in value and "default" in sub:
                value[key] = deepcopy(sub["default"])
        _check_required(value, schema, at)
        for key, item in value.items():
            sub = properties.get(key, others)
            value[key] = self.complete(item, sub, join(at, key)) if isinstance(sub, dict) else item
        return value

    def _array(self, value: Any, schema: dict, at: str) -> list:
        _check_type(value, schema, at)
        if len(value) < schema.get("minItems", 0):
            raise Invalid(at, "is empty; write at least one item")
        items = [self.complete(item, schema["items"], f"{at}[{i}]") for i, item in enumerate(value)]
        if schema.get("uniqueItems"):
            for i, item in enumerate(items):
                if item in items[:i]:
                    raise Invalid(f"{at}[{i}]", f"{quote(item)} is in the list twice; remove one")
        return items

    def _alternative(self, value: Any, alternatives: list[dict], at: str) -> dict:
        """The alternative that the value's `source` or `kind` names."""
        _check_type(value, {"type": "object"}, at)
        key = next(key for key, sub in alternatives[0]["properties"].items() if "const" in sub)
        by_name = {item["properties"][key]["const"]: item for item in alternatives}
        if key not in value:
            raise Invalid(at, f"has no {key}; write {key}: with one of {', '.join(by_name)}")
        if value[key] not in by_name:
            raise Invalid(join(at, key), f"unknown {key} {quote(value[key])}; {suggest(str(value[key]), by_name)}")
        return by_name[value[key]]


def join(at: str, key: str) -> str:
    """The place of `key` inside the mapping at `at`."""
    return f"{at}.{key}" if at else key


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, if one is near, and all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}known: {', '.join(known)}"


def quote(value: Any) -> str:
    """A value as a user would write it, short."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def expected(schema: dict) -> str:
    """What the schema wants, in words: `a whole number of 1 or more`."""
    if "anyOf" in schema:
        return " or ".join(expected(sub) for sub in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ("one of " if len(values) > 1 else "") + ", ".join(map(str, values))
    name = schema["type"]
    if name not in ("integer", "number"):
        return NAMES[name]
    return ("a whole number" if name == "integer" else "a number") + _range(schema)


def _range(schema: dict) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if above is not None:
        return f" above {above}" + (f" and up to {high}" if high is not None else "")
    if low is None:
        return f" up to {high}" if high is not None else ""
    return f" from {low} to {high}" if high is not None else f" of {low} or more"


def _refuse(value: Any, schema: dict, at: str) -> None:
    example = f", for example {at.split('.')[-1]}: {quote(schema['default'])}" if "default" in schema else ""
    problem = "is empty" if value is None else f"{quote(value)} is not allowed"
    raise Invalid(at, f"{problem}; write {expected(schema)}{example}")


def _check_type(value: Any, schema: dict, at: str) -> None:
    if not _is_of(value, schema["type"]):
        _refuse(value, schema, at or "the whole file")


def _is_of(value: Any, kind: str) -> bool:
    """Whether the value has the type; true and false are no numbers, though Python counts with them."""
    return isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")


def _check_choice(value: Any, schema: dict, at: str) -> None:
    if "anyOf" in schema:
        if not any(_accepts(value, sub) for sub in schema["anyOf"]):
            _refuse(value, schema, at)
    elif isinstance(value, bool) or value not in schema.get("enum", [schema.get("const")]):
        hint = suggest(str(value), map(str, schema["enum"])) if "enum" in schema else f"write {schema['const']}"
        raise Invalid(at, f"{quote(value)} is not allowed; {hint}")


def _check_scalar(value: Any, schema: dict, at: str) -> None:
    _check_type(value, schema, at)
    if not _accepts(value, schema):
        if "pattern" in schema or "minLength" in schema:
            raise Invalid(at, f"{quote(value)} is not allowed; expected: {schema.get('description', 'some text')}")
        _refuse(value, schema, at)


def _accepts(value: Any, schema: dict) -> bool:
    if "const" in schema:
        return value == schema["const"]
    if not _is_of(value, schema["type"]):
        return False
    if isinstance(value, bool):
        return True
    if isinstance(value, str):
        return len(value) >= schema.get("minLength", 0) and bool(re.search(schema.get("pattern", ""), value))
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    inside = abs(value) < float("inf") and (low is None or value >= low) and (high is None or value <= high)
    return inside and (above is None or value > above)


def _check_key(key: str, schema: dict, properties: dict, at: str) -> None:
    if schema.get("additionalProperties") is False:
        raise Invalid(at, f"unknown key; {suggest(key, properties)}")
    pattern = schema.get("propertyNames", {}).get("pattern", "")
    if not re.search(pattern, key):
        raise Invalid(at, "not a usable name; write letters, digits, dot, hyphen and underscore only")


def _check_required(value: dict, schema: dict, at: str) -> None:
    missing = [key for key in schema.get("required", []) if key not in value]
    if missing:
        raise Invalid(join(at, missing[0]), f"missing; needed here: {', '.join(schema['required'])}")
    if len(value) < schema.get("minProperties", 0):
        raise Invalid(at, "is empty; write at least one key")
    if len(value) > schema.get("maxProperties", len(value)):
        raise Invalid(at, f"has {len(value)} keys ({', '.join(value)}); write {schema['maxProperties']}")


def _with_default(value: Any, schema: dict) -> Any:
    """An empty section takes its default; a section's own keys are laid over its default's."""
    if schema.get("type") != "object" or not isinstance(value, dict | None):
        return value
    if value is None and ("default" in schema or schema.get("additionalProperties") is True):
        value = {}
    return {**deepcopy(schema.get("default", {})), **value} if value is not None else None


def _as_number(value: Any, schema: dict) -> Any:
    """`value` as a number where one is wanted and text holds one: YAML reads 1e-3 as text."""
    kinds = {sub.get("type") for sub in schema.get("anyOf", [schema])}
    if isinstance(value, str) and kinds & {"integer", "number"} and re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?", value):
        try:
            value = float(value)
        except ValueError:
            return value
    whole = isinstance(value, float) and value.is_integer() and "integer" in kinds
    return int(value) if whole else value
