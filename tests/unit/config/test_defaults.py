"""Settings are completed before validation: defaults, empty sections, numbers that YAML reads as text."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kvbench.config.defaults import with_defaults
from kvbench.config.references import written_out
from kvbench.config.schema import completed
from kvbench.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = read_yaml(ROOT / "schemas/config.schema.yaml")
INTEGER, NUMBER = {"type": "integer"}, {"type": "number"}


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        (INTEGER, 1.0, "1"),
        (INTEGER, "1e3", "1000"),
        (INTEGER, "-7", "-7"),
        (INTEGER, 10**400, str(10**400)),
        (INTEGER, 2.5, "2.5"),
        (INTEGER, True, "true"),
        (NUMBER, 1.0, "1.0"),
        (NUMBER, "1e-3", "0.001"),
        (NUMBER, "+.5", "0.5"),
        (NUMBER, "1.2.3", '"1.2.3"'),
        (NUMBER, "inf", '"inf"'),
        ({"type": "string"}, "1e-3", '"1e-3"'),
        ({"anyOf": [{"const": "auto"}, INTEGER]}, "8", "8"),
        ({"anyOf": [{"const": "auto"}, INTEGER]}, "auto", '"auto"'),
        ({"anyOf": [{"const": "auto"}, NUMBER]}, "8", "8.0"),
        ({"type": "array", "items": INTEGER}, ["1", 2.0, "x"], '[1, 2, "x"]'),
    ],
)
def test_numbers_become_what_the_schema_wants(schema: dict, value: Any, found: str) -> None:
    assert json.dumps(with_defaults(value, schema)) == found


def test_defaults_come_after_what_is_given_and_are_copies() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": INTEGER, "default": [1]}, "b": INTEGER}}
    first, second = (with_defaults({"b": 2}, schema) for _ in range(2))
    assert list(first) == ["b", "a"]
    first["a"].append(9)
    assert second["a"] == schema["properties"]["a"]["default"] == [1]


def test_a_section_is_laid_over_its_default() -> None:
    schema = {"type": "object", "default": {"x": 1, "y": 2}, "properties": {"x": INTEGER, "y": INTEGER}}
    assert with_defaults({"y": 3}, schema) == {"x": 1, "y": 3}
    assert with_defaults(None, schema) == {"x": 1, "y": 2}


def test_an_empty_section_is_filled_where_it_may_be_empty() -> None:
    plain = {"type": "object", "properties": {"x": {**INTEGER, "default": 1}}}
    assert with_defaults(None, plain) is None
    assert with_defaults(None, {**plain, "default": {}}) == {"x": 1}
    assert with_defaults(None, {"type": "object", "additionalProperties": True}) == {}


def test_only_the_named_alternative_is_completed() -> None:
    forms = [
        {"type": "object", "properties": {"kind": {"const": kind}, "n": {**INTEGER, "default": n}}}
        for kind, n in (("a", 1), ("b", 2))
    ]
    assert with_defaults({"kind": "b"}, {"oneOf": forms}) == {"kind": "b", "n": 2}
    for unknown in ({"kind": "c"}, {"kind": ["a"]}, {}, None, 3):
        assert with_defaults(unknown, {"oneOf": forms}) == unknown


def test_keys_are_text() -> None:
    assert with_defaults({1: 2}, {"type": "object"}) == {"1": 2}


def test_completing_leaves_what_is_given_alone() -> None:
    given = read_yaml(ROOT / "config.yaml")
    before = copy.deepcopy(given)
    assert completed(given, SCHEMA) != before == given


def test_the_schema_is_one_that_others_may_use() -> None:
    """With references resolved it is a plain JSON Schema; a completed configuration is valid and stays unchanged."""
    Draft202012Validator.check_schema(SCHEMA)
    done = completed(read_yaml(ROOT / "config.yaml"), SCHEMA)
    assert Draft202012Validator(SCHEMA).is_valid(done)
    assert not Draft202012Validator(SCHEMA).is_valid({**done, "repeats": 0})
    assert completed(done, SCHEMA) == done


def test_a_schema_written_out_has_no_references() -> None:
    plain = written_out(SCHEMA)
    assert "$ref" in json.dumps(SCHEMA)
    assert "$ref" not in json.dumps(plain)
    parity = plain["properties"]["parity"]["properties"]["kv_budget_mib"]
    assert {**plain["properties"]["kv_budget_mib"], **parity} == parity
    assert parity["default"] == 144
    assert "default" not in plain["properties"]["runs"]["items"]["properties"]["kv_budget_mib"]
