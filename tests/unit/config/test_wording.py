"""Every schema violation has our own exact wording; of several, the first in the document is reported."""

from __future__ import annotations

from typing import Any

import pytest

from kvbench.config.schema import completed
from kvbench.config.wording import Invalid

NAME = {"propertyNames": {"pattern": "^[a-z]+$"}}
FORM = {"type": "object"}
FORM["oneOf"] = [
    {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "fixed"}, "size": {"type": "integer"}}},
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "file"],
        "properties": {"kind": {"const": "user"}, "file": {"type": "string", "minLength": 1}},
    },
]


def refused(value: Any, schema: dict) -> str:
    with pytest.raises(Invalid) as caught:
        completed(value, schema)
    assert str(caught.value).startswith(f"{caught.value.at}: ")
    return str(caught.value)


def of_key(schema: dict) -> dict:
    return {"type": "object", "properties": {"key": schema}}


@pytest.mark.parametrize(
    ("schema", "value", "line"),
    [
        ({"type": "integer"}, "x", '"x" is not allowed; write a whole number'),
        ({"type": "integer"}, None, "is empty; write a whole number"),
        ({"type": "integer"}, True, "true is not allowed; write a whole number"),
        ({"type": "integer", "default": 3}, 2.5, "2.5 is not allowed; write a whole number, for example key: 3"),
        ({"type": "integer", "minimum": 1}, 0, "0 is not allowed; write a whole number of 1 or more"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, 10, "10 is not allowed; write a whole number from 1 to 9"),
        ({"type": "number", "maximum": 9}, 9.5, "9.5 is not allowed; write a number up to 9"),
        ({"type": "number", "exclusiveMinimum": 0}, 0, "0 is not allowed; write a number above 0"),
        (
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            0.0,
            "0.0 is not allowed; write a number above 0 and up to 1",
        ),
        ({"type": "number"}, float("inf"), "Infinity is not allowed; write a number"),
        ({"type": "number"}, float("nan"), "NaN is not allowed; write a number"),
        ({"type": "number"}, "1e999", "Infinity is not allowed; write a number"),
        ({"type": "number"}, "1.2.3", '"1.2.3" is not allowed; write a number'),
        ({"type": "number"}, False, "false is not allowed; write a number"),
        ({"type": "boolean"}, 1, "1 is not allowed; write true or false"),
        ({"type": "string"}, 1, "1 is not allowed; write text"),
        ({"type": "string"}, ["x" * 60], f'["{"x" * 55}... is not allowed; write text'),
        ({"type": "object"}, 1, "1 is not allowed; write a mapping of keys"),
        ({"type": "array", "items": {}}, {}, "{} is not allowed; write a list"),
        ({"type": "string", "minLength": 1}, "", '"" is not allowed; expected: some text'),
        (
            {"type": "string", "pattern": "^a$", "description": "An a."},
            "b",
            '"b" is not allowed; expected: An a.',
        ),
        (
            {"type": "string", "pattern": "^a$", "description": "An a."},
            "a\n",
            '"a\\n" is not allowed; expected: An a.',
        ),
        ({"type": "string", "maxLength": 2}, "abc", "has 3 characters; use at most 2"),
        ({"enum": ["auto", "cpu"]}, "aut", '"aut" is not allowed; did you mean auto? known: auto, cpu'),
        ({"enum": ["auto", "cpu"]}, None, "null is not allowed; known: auto, cpu"),
        (
            {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}], "default": "auto"},
            0,
            '0 is not allowed; write auto or a whole number of 1 or more, for example key: "auto"',
        ),
        ({"type": "object", "minProperties": 1}, {}, "is empty; write at least one key"),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2}, "has 2 keys (a, b); write 1"),
        ({"type": "array", "minItems": 1, "items": {}}, [], "is empty; write at least one item"),
        (FORM, None, "is empty; write a mapping of keys"),
        (FORM, [], "[] is not allowed; write a mapping of keys"),
        (FORM, {"size": 1}, "has no kind; write kind: with one of fixed, user"),
    ],
)
def test_what_is_wrong_with_a_value(schema: dict, value: Any, line: str) -> None:
    assert refused({"key": value}, of_key(schema)) == f"key: {line}"


@pytest.mark.parametrize(
    ("schema", "value", "line"),
    [
        (FORM, {"kind": "usr"}, '.kind: unknown kind "usr"; did you mean user? known: fixed, user'),
        (FORM, {"kind": ["user"]}, '.kind: unknown kind ["user"]; did you mean user? known: fixed, user'),
        (FORM, {"kind": None}, ".kind: unknown kind null; known: fixed, user"),
        (FORM, {"kind": "fixed", "size": "x"}, '.size: "x" is not allowed; write a whole number'),
        (FORM, {"kind": "user"}, ".file: missing; needed here: kind, file"),
        (FORM, {"kind": "user", "size": 1}, ".size: unknown key; known: kind, file"),
        (
            {"type": "object", **NAME},
            {"a": 1, "A b": 1},
            ".A b: not a valid name; begin with a letter or digit, and use only letters, digits, dots, hyphens and "
            "underscores",
        ),
        (
            {"type": "object", **NAME},
            {"a\n": 1},
            '."a\\n": not a valid name; begin with a letter or digit, and use only letters, digits, dots, hyphens and '
            "underscores",
        ),
        (
            {"type": "object", "propertyNames": {"maxLength": 2}},
            {"abc": 1},
            ".abc: has 3 characters; use at most 2, since it becomes part of file names",
        ),
        (
            {"type": "object", "propertyNames": {"maxLength": 2}},
            {"a" * 200: 1},
            f'."{"a" * 56}...: has 200 characters; use at most 2, since it becomes part of file names',
        ),
        ({"type": "object", "additionalProperties": False}, {"x": 1}, ".x: unknown key; known: "),
        (
            {"type": "object", "additionalProperties": False, "properties": {"seed": {}}},
            {"sead": 1},
            ".sead: unknown key; did you mean seed? known: seed",
        ),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], "[1]: 1 is not allowed; write text"),
        (
            {"type": "array", "items": {}, "uniqueItems": True},
            [1, 2, 1.0],
            "[2]: 1.0 occurs twice in the list; remove one",
        ),
        (
            {"type": "array", "items": FORM},
            [{"kind": "fixed"}, {"kind": "user", "file": ""}],
            '[1].file: "" is not allowed; expected: some text',
        ),
    ],
)
def test_what_is_wrong_inside_a_value(schema: dict, value: Any, line: str) -> None:
    assert refused({"key": value}, of_key(schema)) == f"key{line}"


def test_the_first_fault_of_the_document_is_told() -> None:
    number = {"type": "integer"}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["need"],
        "properties": {"a": number, "b": of_key(number), "need": number, "list": {"type": "array", "items": number}},
    }
    schema["properties"]["list"]["uniqueItems"] = True
    wrong = {"b": {"key": "x"}, "a": "x", "need": 1}
    assert refused(wrong, schema).startswith("b.key: ")
    assert refused(dict(reversed(wrong.items())), schema).startswith("a: ")
    assert refused({**wrong, "zzz": 1, "yyy": 1}, schema).startswith("zzz: unknown key")
    assert refused({"yyy": 1, **wrong, "zzz": 1}, schema).startswith("yyy: unknown key")
    assert refused({"a": "x", "zzz": 1}, schema).startswith("zzz: unknown key")
    assert refused({"a": "x"}, schema).startswith("need: missing")
    assert refused({"list": [1, 1, "x"], "need": 1}, schema).startswith("list[2]: ")
    assert refused({"list": [1, 1], "need": "x"}, schema).startswith("list[1]: ")
    assert refused({"need": "x", "list": [1, 1]}, schema).startswith("need: ")


def test_names_of_entries_are_told_in_their_order() -> None:
    schema = {"type": "object", **NAME, "additionalProperties": {"type": "integer"}}
    assert refused({"b": "x", "a": "x"}, schema).startswith("b: ")
    assert refused({"a": "x", "b": "x"}, schema).startswith("a: ")
    assert refused({"b": "x", "A": 1, "B": 1}, schema).startswith("A: not a valid name")


def test_the_whole_file_has_no_key_to_name() -> None:
    for value, problem in (([], "[] is not allowed"), (None, "is empty"), ("x", '"x" is not allowed')):
        assert refused(value, {"type": "object"}) == f"the whole file: {problem}; write a mapping of keys"


def test_a_reference_is_told_by_what_is_written_beside_it() -> None:
    """The example comes from the default beside the $ref, never from the default of the key it refers to."""
    schema = {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "minimum": 1, "default": 4},
            "own": {"$ref": "#/properties/size", "default": 9},
            "none": {"$ref": "#/properties/size"},
            "text": {"$ref": "#/$defs/text", "description": "Something."},
        },
        "$defs": {"text": {"type": "string", "minLength": 1, "description": "Anything."}},
    }
    problem = "0 is not allowed; write a whole number of 1 or more"
    assert refused({"size": 0}, schema) == f"size: {problem}, for example size: 4"
    assert refused({"own": 0}, schema) == f"own: {problem}, for example own: 9"
    assert refused({"none": 0}, schema) == f"none: {problem}"
    assert refused({"text": ""}, schema) == 'text: "" is not allowed; expected: Something.'
    assert completed({}, schema) == {"size": 4, "own": 9}
