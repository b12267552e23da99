"""Numbers are finite and of a size that can be computed with, wherever they stand; libraries get floats."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest
from builders.configured import configured
from builders.places import CONFIG, SCHEMA
from builders.refusals import refused

from kvbench.config.parameters import run_settings
from kvbench.config.references import written_out
from kvbench.yaml_files import read_yaml

RUN = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]}
SHAPE = {"model_type": "llama", "layers": 2, "heads": 4, "hidden_size": 64, "max_position_embeddings": 512}
PLAN = {"card": {"name": "a", "memory_gib": 80}, "workload": "mixed", "model": "llama-2-7b"}
SIZES = {"layers": 2, "kv_heads": 4, "head_dim": 8, "parameters": 1000}
REPLAY = {"workload": "mixed", "requests": 9, "pool_slots": 4096}


def shape(**fields: Any) -> dict[str, Any]:
    """A configuration with one model of this shape."""
    run = RUN | {"models": ["x"]}
    return {"models": {"x": {"source": "shape", "shape": SHAPE | fields}}, "runs": [run]}


def mixed(**options: Any) -> dict[str, Any]:
    """config.yaml's workloads, with another entry for `mixed`."""
    return {"workloads": read_yaml(CONFIG)["workloads"] | {"mixed": options}}


@pytest.mark.parametrize(
    "number",
    [float("inf"), float("-inf"), float("nan"), 10**20, pytest.param(10**400, id="of 401 digits"), 1e300, "1e999"],
)
@pytest.mark.parametrize(
    "sections",
    [
        lambda n: {"kv_budget_mib": n},
        lambda n: {"max_length": n},
        lambda n: {"sequential_requests": n},
        lambda n: {"sampling": {"temperature": n}},
        lambda n: {"runs": [RUN | {"sweep": {"kv_budget_mib": [24, n]}}]},
        lambda n: {"runs": [RUN | {"sweep": {"requests_per_s": [1, n]}}]},
        lambda n: {"runs": [RUN | {"sweep": {"repeats": [1, n]}}]},
        lambda n: {"runs": [RUN | {"sweep": {"block_size": [32, n]}}]},
        lambda n: shape(layers=n),
        lambda n: shape(num_hidden_layers=n),
        lambda n: shape(vocab_size=n),
        lambda n: {"capacity": {"x": PLAN | {"card": {"name": "a", "memory_gib": n}}}},
        lambda n: {"capacity": {"x": PLAN | {"requests_per_s": n}}},
        lambda n: {"capacity": {"x": {**PLAN, "shape": SIZES | {"parameters": n}}}},
        lambda n: {"replays": {"x": REPLAY | {"requests": n}}},
        lambda n: {"parity": {"output_tokens": n}},
        lambda n: {"paging_price": {"batches": [n]}},
        lambda n: {"paging_price": {"layouts": {"x": {"kind": "plain", "heads": n, "kv_heads": 1, "head_dim": 1}}}},
        lambda n: {"slo": {"ttft_s": n}},
        lambda n: mixed(kind="mixed", requests=n),
    ],
)
def test_no_number_is_without_end(sections: Any, number: Any) -> None:
    with refused("^config.yaml: ") as caught:
        configured(**sections(number))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**20, "1e999"])
def test_no_number_inside_a_field_of_a_shape_is_without_end(number: Any) -> None:
    with refused(r"^config.yaml: models.x.shape.rope_scaling.factor: "):
        configured(**shape(rope_scaling={"factor": number}))


@pytest.mark.parametrize("path", ["x" * 300, "y/" * 5000, "a\0b", "a\nb"])
def test_a_path_that_no_file_system_can_hold_is_one_that_does_not_exist(path: str) -> None:
    with refused(r'^config.yaml: models.smollm2-135m.path: no folder ".*; give one that exists$'):
        configured(models={"smollm2-135m": {"source": "path", "path": path}})
    with refused(r'^config.yaml: workloads.mixed.file: no file ".*; give one that exists$'):
        configured(**mixed(kind="user", file=path))
    with refused(r'^config.yaml: replays.x.file: no file ".*; give one that exists$'):
        configured(replays={"x": {"file": path, "pool_slots": 4096}})


def test_not_a_number_is_refused_in_open_sections() -> None:
    for number in (float("inf"), float("nan")):
        with refused(r"engines.vllm.compilation_config.x\[1\]: (Infinity|NaN) is not allowed; write a finite number"):
            configured(engines={"vllm": {"compilation_config": {"x": [1, number]}}})
        with refused(r"models.x.shape.rms_norm_eps: (Infinity|NaN) is not allowed; write a finite number"):
            configured(**shape(rms_norm_eps=number))


def test_what_json_cannot_hold_is_refused_in_open_sections() -> None:
    for value, kind in ((datetime.date(2026, 1, 2), "date"), (b"x", "bytes"), ({1}, "set")):
        with refused(rf"engines.vllm.x: .* is read as a {kind}; write it in quotes, or as a number"):
            configured(engines={"vllm": {"x": value}})


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({"num_hidden_layers": 10**11}, 1000),
        ({"n_layer": 1001}, 1000),
        ({"num_experts": 10**6}, 4096),
        ({"text_config": {"num_hidden_layers": 10**11}}, 1000),
        ({"vocab_size": 10**12}, 10_000_000),
        ({"n_embd": 10**12}, 10_000_000),
        ({"moe_intermediate_size": 10**12}, 10_000_000),
        ({"anything": 10**12}, 1_000_000_000),
        ({"num_hidden_layers": 1e11}, 1000),
    ],
)
def test_a_shape_by_transformers_own_names_is_not_larger_than_can_be_built(fields: dict, most: int) -> None:
    with refused(rf"models\.x\.shape\.[a-z_.]+: .*{most}( or less)?$"):
        configured(**shape(**fields))


def test_a_number_of_a_shape_that_yaml_reads_as_text_is_told() -> None:
    """YAML reads 1e6 as text, and Transformers would refuse it or not."""
    line = 'models.x.shape.rope_theta: "1e6" is read as text; write it out in digits, or with a point as in 1.0e+6'
    with refused(line.replace("+", r"\+")):
        configured(**shape(rope_theta="1e6"))


def test_published_shapes_are_within_the_bounds() -> None:
    largest = {"layers": 126, "heads": 128, "kv_heads": 8, "hidden_size": 16384, "intermediate_size": 53248}
    configured(**shape(**largest, vocab_size=262144, max_position_embeddings=10_000_000, rope_theta=500_000_000))


def test_the_samples_and_tokens_of_a_workload_are_bounded_together() -> None:
    with refused("workloads.mixed.samples: 100000 requests of 2 samples are more than 100000; lower one"):
        configured(**mixed(kind="parallel-sampling", requests=100_000, samples=2))
    with refused("workloads.mixed.requests: 100000 requests with prompts of 1000032 tokens are more than .*"):
        configured(**mixed(kind="shared-prefix", requests=100_000, prefix_tokens=1_000_000))


def test_a_replays_blocks_fit_in_memory() -> None:
    shared = {"prefix_sharing": True, "shared_prefix_tokens": 16, "block_size": 16}
    huge = REPLAY | shared | {"pool_slots": 10**9, "max_length": 4096}
    with refused(r"replays.x.pool_slots: 1000000000 slots are 1000000000 blocks, more than 100000000, .*; lower it or"):
        configured(replays={"x": huge | {"block_size": 1}})
    with refused(r"replays.x.max_length: 9 requests of up to 500000000 tokens have more than 100000000 blocks"):
        configured(replays={"x": huge | {"max_length": 500_000_000}})
    configured(replays={"x": huge, "y": huge | {"block_size": 1, "prefix_sharing": False}})


def test_a_card_has_room_for_something() -> None:
    for card in ({"memory_gib": 1e-9}, {"memory_gib": 80, "memory_fraction": 0.1, "activation_reserve": 0.0999999999}):
        with refused("capacity.x.card.memory_gib: leaves less than 1 MiB for weights and KV cache; raise it"):
            configured(capacity={"x": PLAN | {"card": {"name": "a", **card}}})


@pytest.mark.parametrize("text", ["a\n", "a\0", "\ta", "", "x" * 501])
def test_texts_of_pages_are_one_line(text: str) -> None:
    for sections in (
        {"capacity": {"x": PLAN | {"card": {"name": text, "memory_gib": 80}}}},
        {"capacity": {"x": PLAN | {"step_time": {"constant_s": 1, "source": text}}}},
        shape(model_type=text),
    ):
        with refused("(is not allowed; expected|has 501 characters; use at most 500)"):
            configured(**sections)


def test_every_number_of_the_schema_has_an_end() -> None:
    endless = []

    def visit(node: Any, at: str) -> None:
        if isinstance(node, list):
            for number, item in enumerate(node):
                visit(item, f"{at}[{number}]")
        if isinstance(node, dict):
            if node.get("type") in ("integer", "number") and "maximum" not in node:
                endless.append(at)
            for key, item in node.items():
                visit(item, f"{at}.{key}")

    visit(written_out(read_yaml(SCHEMA)), "")
    assert endless == []


@pytest.mark.parametrize(("key", "value"), [("temperature", 2), ("temperature", "1"), ("temperature", 0), ("top_p", 1)])
def test_whole_numbers_of_sampling_become_floats(key: str, value: Any) -> None:
    """Transformers refuses a temperature that is an int, after it has loaded the model."""
    config = configured(sampling={key: value}, runs=[RUN])
    assert type(config["sampling"][key]) is float
    given = configured(runs=[RUN | {"sampling": {key: value}}])
    found = run_settings(given, "smollm2-135m", "vllm", "mixed", "base")["sampling"]
    assert all(type(number) is float for number in found.values())
    with refused(f"sampling.{key}: true is not allowed"):
        configured(sampling={key: True}, runs=copy.deepcopy([RUN]))
