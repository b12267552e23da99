"""Whatever stands in place of a value of the configuration, it is accepted or refused in one line."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from builders.places import CONFIG, SCHEMA

from kvbench.config import settings
from kvbench.errors import UserError
from kvbench.yaml_files import read_yaml

JUNK = {
    "null": None,
    "an empty list": [],
    "an empty mapping": {},
    "a line break": "x\n",
    "long text": "x" * 300,
    "infinity": float("inf"),
    "not a number": float("nan"),
    "a huge number": 10**20,
    "a tiny number": 1e-300,
    "true": True,
    "a nested list": [[None]],
    "odd keys": {"": 1, "a\n": {}, 1: None},
    "a date": datetime.date(2026, 1, 1),
    "bytes": b"x",
    "another kind": {"kind": [], "source": {}},
}
Place = tuple[str | int, ...]


def junked() -> dict[str, Any]:
    """config.yaml with an entry of every kind that it lacks."""
    config = read_yaml(CONFIG) | {"device": "cpu"}
    config["models"]["shape"] = {"source": "shape", "shape": {"model_type": "llama", "layers": 2}}
    config["workloads"]["samples"] = {"kind": "parallel-sampling", "requests": 2}
    config["benchmarks"] = {"b": {"kind": "recording", "model": "smollm2-135m", "workload": "mixed"}}
    config["engines"]["vllm"] = {"compilation_config": {"sizes": [1]}}
    config["figures"]["options"] = {"memory": {"width_in": 7}}
    swept = {"models": ["smollm2-135m"], "workloads": ["samples"], "engines": ["vllm"]}
    config["runs"].append({**swept, "sweep": {"kv_budget_mib": [8, 16]}})
    return config


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """The place of every value below this one."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*at, key)
        yield from places(item, (*at, key))


def refusal(config: dict[str, Any]) -> str:
    """The refusal of a configuration, empty if it is accepted."""
    try:
        settings.validate(config, SCHEMA)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_is_refused_in_one_line(junk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    schema, good = read_yaml(SCHEMA), junked()
    monkeypatch.setattr(settings, "read_yaml", lambda path: schema)
    settings.validate(copy.deepcopy(good), SCHEMA)
    for place in places(good):
        config = copy.deepcopy(good)
        around: Any = config
        for key in place[:-1]:
            around = around[key]
        around[place[-1]] = copy.deepcopy(junk)
        line = refusal(config)
        assert line.isprintable(), place
        assert len(line) < 1500, place
