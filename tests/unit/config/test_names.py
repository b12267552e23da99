"""Each list of names in the configuration refuses an unknown one, and each name that a user gives is fit for files."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from builders.configured import configured
from builders.places import CONFIG
from builders.refusals import refused

from kvbench.config.overlays import NAMED
from kvbench.yaml_files import read_yaml

RUN = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]}
BENCHMARK = {"kind": "recording", "model": "smollm2-135m", "workload": "mixed"}
PLAN = {"card": {"name": "a", "memory_gib": 80}, "workload": "mixed", "model": "llama-2-7b"}
ENTRIES = {
    "models": {"source": "hub", "id": "a/b", "revision": "0" * 40},
    "workloads": {"kind": "mixed"},
    "benchmarks": BENCHMARK,
    "capacity": PLAN,
    "replays": {"workload": "mixed", "requests": 9, "pool_slots": 4096},
}


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"parity": {"engines": ["hf-batch", "vlm"]}}, r'parity.engines: unknown engine "vlm"; did you mean vllm\? .*'),
        ({"parity": {"engines": [["vllm"]]}}, r"parity.engines\[0\]: .*"),
        ({"engines": {"vlm": {}}}, r"engines.vlm: unknown key; did you mean vllm\? .*"),
        ({"runs": [RUN | {"engines": ["vlm"]}]}, r'runs\[0\].engines: unknown engine "vlm"; did you mean vllm\? .*'),
        ({"runs": [RUN | {"models": ["smollm"]}]}, r"runs\[0\].models: unknown model .*did you mean smollm2-135m\? .*"),
        ({"runs": [RUN | {"workloads": ["mix"]}]}, r"runs\[0\].workloads: unknown workload .*did you mean mixed\? .*"),
        ({"benchmarks": {"x": BENCHMARK | {"model": "smollm2"}}}, r'benchmarks.x.model: unknown model "smollm2"; .*'),
        ({"benchmarks": {"x": BENCHMARK | {"workload": "mix"}}}, r"benchmarks.x.workload: .*did you mean mixed\? .*"),
        ({"benchmarks": {"x": BENCHMARK | {"kind": "peer"}}}, r'benchmarks.x.kind: "peer" is not allowed; .*'),
        ({"capacity": {"x": PLAN | {"model": "llama-2-7"}}}, r"capacity.x.model: .*did you mean llama-2-7b\? .*"),
        ({"replays": {"x": ENTRIES["replays"] | {"policies": ["pag"]}}}, r".*policies\[0\]: .*did you mean paged\? .*"),
        ({"figures": {"options": {"memry": {}}}}, r"figures.options.memry: unknown figure; did you mean memory\? .*"),
        ({"figures": {"formats": ["sgv"]}}, r"figures.formats\[0\]: .*did you mean svg\? .*"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(sections: dict[str, Any], line: str) -> None:
    with refused(f"^config.yaml: {line}$"):
        configured(**sections)


def test_a_plan_may_name_models_of_both_files() -> None:
    plans = {"a": PLAN, "b": PLAN | {"model": "smollm2-135m"}}
    assert set(configured(capacity=plans)["capacity"]) == {"a", "b"}


def named(section: str, name: str) -> dict[str, Any]:
    """config.yaml's section with one entry more."""
    return {section: {**(read_yaml(CONFIG)[section] or {}), name: copy.deepcopy(ENTRIES[section])}}


@pytest.mark.parametrize("section", NAMED)
def test_names_of_entries_are_fit_for_files(section: str) -> None:
    assert "n" * 64 in configured(**named(section, "n" * 64))[section]
    for name in ("n" * 65, "n" * 250):
        with refused(rf"{section}\..*: has {len(name)} characters; use at most 64, since it becomes part of file name"):
            configured(**named(section, name))
    for name in ("x\n", "\nx", "x\ny", "..", "../x", "x/y", ".x", "", "x y", "é"):
        with refused(rf"{section}\..*: not a valid name; begin with a letter or digit"):
            configured(**named(section, name))


@pytest.mark.parametrize(
    ("key", "value"),
    [("id", value) for value in ("..", ".", "a/..", "../a", "a/b\n", "a/b/c", "a b", "", "a/" + "b" * 97)]
    + [("revision", "0" * 40 + "\n"), ("revision", "main")],
)
def test_a_model_of_the_hub_has_a_plain_id(key: str, value: str) -> None:
    with refused(rf"^config.yaml: models.x.{key}: "):
        configured(models={"x": ENTRIES["models"] | {key: value}})


@pytest.mark.parametrize(
    ("key", "value"),
    [("package", value) for value in ("../x", "..", "a/b", "a\n", "", "-a", "a" * 201)]
    + [("file", value) for value in ("../x", "a/b.gguf", "..", "a.gguf\n", "a\\b", "")]
    + [("sha256", "0" * 64 + "\n")],
)
def test_a_package_has_a_plain_name_and_file(key: str, value: str) -> None:
    own = read_yaml(CONFIG)["models"]["smollm2-135m"]
    with refused(rf"^config.yaml: models.smollm2-135m.{re.escape(key)}: "):
        configured(models={"smollm2-135m": own | {key: value}})
