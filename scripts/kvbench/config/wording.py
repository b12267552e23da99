"""Words of a refusal: where it is, what is wrong there, and the mend, in a line that a user can act on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kvbench.config.alternatives import names

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

TYPES = {"object": "a mapping of keys", "array": "a list", "string": "text", "boolean": "true or false"}
NUMBERS = {"integer": "a whole number", "number": "a number"}


class Invalid(Exception):
    """A setting that is refused: where it is (`runs[1].engines`) and what is wrong with it."""

    def __init__(self, at: str, problem: str):
        super().__init__(f"{at}: {problem}")
        self.at, self.problem = at, problem


def refusal(fault: ValidationError) -> Invalid:
    """The refusal for a fault that jsonschema found; a keyword without words of its own is told by what is expected."""
    at = ""
    for step in fault.absolute_path:
        at = f"{at}[{step}]" if isinstance(step, int) else _join(at, step)
    return WORDS.get(fault.validator, _not_allowed)(fault, at)


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
        return " or ".join(map(expected, schema["anyOf"]))
    if "const" in schema:
        return str(schema["const"])
    return TYPES.get(schema["type"]) or NUMBERS[schema["type"]] + _range(schema)


def _range(schema: dict) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if above is not None:
        return f" above {above}" + (f" and up to {high}" if high is not None else "")
    if low is None:
        return f" up to {high}" if high is not None else ""
    return f" from {low} to {high}" if high is not None else f" of {low} or more"


def _join(at: str, key: str) -> str:
    """The place of `key` inside the mapping at `at`."""
    return f"{at}.{key}" if at else key


def _not_allowed(fault: ValidationError, at: str) -> Invalid:
    schema = {"type": "object"} if fault.validator == "oneOf" else fault.schema
    problem = "is empty" if fault.instance is None else f"{quote(fault.instance)} is not allowed"
    example = f", for example {at.split('.')[-1]}: {quote(schema['default'])}" if "default" in schema else ""
    return Invalid(at or "the whole file", f"{problem}; write {expected(schema)}{example}")


def _not_a_choice(fault: ValidationError, at: str) -> Invalid:
    hint = suggest(str(fault.instance), map(str, fault.validator_value))
    return Invalid(at, f"{quote(fault.instance)} is not allowed; {hint}")


def _no_alternative(fault: ValidationError, at: str) -> Invalid:
    """A value that names none of the alternatives by its `source` or `kind`."""
    key, known = names(fault.validator_value)
    if not isinstance(fault.instance, dict):
        return _not_allowed(fault, at)
    if key not in fault.instance:
        return Invalid(at, f"has no {key}; write {key}: with one of {', '.join(known)}")
    name = fault.instance[key]
    return Invalid(_join(at, key), f"unknown {key} {quote(name)}; {suggest(str(name), known)}")


def _unlike_description(fault: ValidationError, at: str) -> Invalid:
    """Text that is too short or of another form, which is also how the names of entries are held to theirs."""
    if "propertyNames" in fault.relative_schema_path:
        at = _join(at, fault.instance)
        return Invalid(at, "not a usable name; write letters, digits, dot, hyphen and underscore only")
    description = fault.schema.get("description", "some text")
    return Invalid(at, f"{quote(fault.instance)} is not allowed; expected: {description}")


def _unknown_key(fault: ValidationError, at: str) -> Invalid:
    known = fault.schema.get("properties", {})
    key = next(key for key in fault.instance if key not in known)
    return Invalid(_join(at, key), f"unknown key; {suggest(key, known)}")


def _missing_key(fault: ValidationError, at: str) -> Invalid:
    key = next(key for key in fault.validator_value if key not in fault.instance)
    return Invalid(_join(at, key), f"missing; needed here: {', '.join(fault.validator_value)}")


def _too_many_keys(fault: ValidationError, at: str) -> Invalid:
    has = f"has {len(fault.instance)} keys ({', '.join(fault.instance)})"
    return Invalid(at, f"{has}; write {fault.validator_value}")


def _twice(fault: ValidationError, at: str) -> Invalid:
    items = fault.instance
    number, item = next((i, item) for i, item in enumerate(items) if item in items[:i])
    return Invalid(f"{at}[{number}]", f"{quote(item)} is in the list twice; remove one")


WORDS = {
    "enum": _not_a_choice,
    "oneOf": _no_alternative,
    "pattern": _unlike_description,
    "minLength": _unlike_description,
    "additionalProperties": _unknown_key,
    "required": _missing_key,
    "minProperties": lambda fault, at: Invalid(at, "is empty; write at least one key"),
    "maxProperties": _too_many_keys,
    "minItems": lambda fault, at: Invalid(at, "is empty; write at least one item"),
    "uniqueItems": _twice,
}
