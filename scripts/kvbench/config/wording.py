"""The wording of a refusal: the key, what is wrong with it and the correction, in one line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kvbench.config.alternatives import names

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

TYPES = {"object": "a mapping of keys", "array": "a list", "string": "text", "boolean": "true or false"}
TYPES |= {"integer": "a whole number", "number": "a number"}


LONGEST_KEY = 100  # shown in full


class Invalid(Exception):
    """A setting that is refused: its key (such as `runs[1].engines`) and what is wrong with it."""

    def __init__(self, at: str, problem: str):
        super().__init__(f"{at}: {problem}")
        self.at = at


def refusal(fault: ValidationError) -> Invalid:
    """The refusal for a fault that jsonschema found."""
    inside, problem = _words(fault)
    return Invalid(place((*fault.absolute_path, *inside)) or "the whole file", problem)


def place(steps: Iterable[str | int]) -> str:
    """A key as a user would look for it, such as `runs[1].engines`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in steps).removeprefix(".")


def _shown(key: str) -> str:
    """A key as it is, or quoted and shortened if it would not fit in a line."""
    return key if key.isprintable() and len(key) <= LONGEST_KEY else quote(key)


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the most similar known name, if one is similar, and all known names."""
    known = list(known)
    return f"{nearest(name, known)}known: {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question after the most similar known name, with a space behind it; empty if none is similar."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def quote(value: Any) -> str:
    """A value as a user would write it, shortened to 60 characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _words(fault: ValidationError) -> tuple[list[str | int], str]:
    """The path of the key or item inside the faulty value, empty for the value itself, and what is wrong with it."""
    value, wanted = fault.instance, fault.validator_value
    match fault.validator:
        case "additionalProperties":
            known = fault.schema.get("properties", {})
            unknown = next(key for key in value if key not in known)
            return [unknown], f"unknown key; {suggest(unknown, known)}"
        case "maxLength":
            inner = [value] if "propertyNames" in fault.relative_schema_path else []
            return inner, f"has {len(value)} characters; use at most {wanted}{_reason(fault)}"
        case "pattern" if "propertyNames" in fault.relative_schema_path:
            return [value], (
                "not a valid name; begin with a letter or digit, and use only letters, digits, dots, hyphens and "
                "underscores"
            )
        case "required":
            missing = next(key for key in wanted if key not in value)
            return [missing], f"missing; needed here: {', '.join(wanted)}"
        case "minProperties":
            return [], "is empty; write at least one key"
        case "maxProperties":
            return [], f"has {len(value)} keys ({', '.join(value)}); write {wanted}"
        case "minItems":
            return [], "is empty; write at least one item"
        case "uniqueItems":
            second = next(i for i, item in enumerate(value) if item in value[:i])
            return [second], f"{quote(value[second])} occurs twice in the list; remove one"
        case "oneOf":
            return _no_alternative(value, wanted)
        case "enum":
            return [], f"{quote(value)} is not allowed; {suggest(str(value), map(str, wanted))}"
        case "pattern" | "minLength":
            return [], f"{quote(value)} is not allowed; expected: {fault.schema.get('description', 'some text')}"
    return [], _not_allowed(fault)


def _reason(fault: ValidationError) -> str:
    """Why a name may not be longer."""
    return ", since it becomes part of file names" if "propertyNames" in fault.relative_schema_path else ""


def _no_alternative(value: dict, alternatives: list[dict]) -> tuple[list[str | int], str]:
    """The refusal of a value whose `source` or `kind` names no alternative."""
    key, known = names(alternatives)
    if key not in value:
        return [], f"has no {key}; write {key}: with one of {', '.join(known)}"
    return [key], f"unknown {key} {quote(value[key])}; {suggest(str(value[key]), known)}"


def _not_allowed(fault: ValidationError) -> str:
    """The refusal of a value of a wrong type or out of range: what is expected, with the default as an example."""
    problem = "is empty" if fault.instance is None else f"{quote(fault.instance)} is not allowed"
    line = f"{problem}; write {_expected(fault.schema)}"
    if "default" in fault.schema:
        line += f", for example {fault.absolute_path[-1]}: {quote(fault.schema['default'])}"
    return line


def _expected(schema: dict) -> str:
    """What the schema expects, in words: `a whole number of 1 or more`."""
    if "anyOf" in schema:
        return " or ".join(map(_expected, schema["anyOf"]))
    if "const" in schema:
        return str(schema["const"])
    factor = f" and a multiple of {schema['multipleOf']}" if "multipleOf" in schema else ""
    return TYPES[schema["type"]] + _range(schema) + factor


def _range(schema: dict) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if above is not None:
        return f" above {above}" + (f" and up to {high}" if high is not None else "")
    if low is None:
        return f" up to {high}" if high is not None else ""
    return f" from {low} to {high}" if high is not None else f" of {low} or more"
