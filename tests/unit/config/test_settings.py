"""Configuration: mistakes give one-line errors, defaults are filled in, and runs and settings are as designed."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from builders.overlaid import overlaid

from kvbench.config.figure_files import figures_of
from kvbench.config.parameters import run_settings, workload_settings
from kvbench.config.references import written_out
from kvbench.config.runs import PARITY, RunName, parity_list, run_list
from kvbench.config.settings import PATHS, validate
from kvbench.config.sweeps import swept_runs
from kvbench.engines.names import BENCHMARKED, CUDA_ONLY, ENGINES, PEER_SERVE
from kvbench.errors import UserError
from kvbench.model.prepare import KEYS
from kvbench.workload.options import DEFAULTS
from kvbench.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "schemas/config.schema.yaml"
DEFAULT_ENGINES = (
    *("hf-sequential", "hf-batch", "hf-static"),
    *("vllm-sequential", "vllm-contiguous", "vllm-reserved", "vllm"),
)
SHAPE = {"model_type": "llama", "layers": 2, "heads": 4, "hidden_size": 64, "max_position_embeddings": 256}


@pytest.fixture
def config() -> dict:
    return {**read_yaml(ROOT / "config.yaml"), "device": "cpu"}


def put(config: dict, path: str, value: object) -> dict:
    """Replace the value at path `a/b/0/c` in `config` and return `config`."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = config
    for part in parents:
        place = place[part]
    place[last] = value
    return config


def refusal(config: dict) -> str:
    with pytest.raises(UserError) as caught:
        validate(config, SCHEMA)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("repeet", 3, r"config.yaml: repeet: unknown key; did you mean repeats\? known: .*"),
        ("repeats", "abc", r'config.yaml: repeats: "abc" is not allowed; write a whole number from 1 to 1000, .*6'),
        ("repeats", 0, r"config.yaml: repeats: 0 is not allowed; .*from 1.*"),
        ("repeats", 2.5, r"config.yaml: repeats: 2.5 is not allowed; write a whole number.*"),
        ("repeats", True, r"config.yaml: repeats: true is not allowed; .*"),
        ("repeats", None, r"config.yaml: repeats: is empty; write .*"),
        ("repeats", [6], r"config.yaml: repeats: \[6\] is not allowed; .*"),
        ("seed", -1, r"config.yaml: seed: -1 .*"),
        ("device", "gpu", r'config.yaml: device: "gpu" is not allowed; .*known: auto, cpu, cuda'),
        ("cpu_threads", 0, r"config.yaml: cpu_threads: 0 is not allowed; write auto or a whole number from 1.*"),
        ("cpu_threads", True, r"config.yaml: cpu_threads: true .*"),
        ("max_length", 1, r"config.yaml: max_length: 1 .*from 2 to 10000000.*"),
        (
            "parity/output_tokens",
            192,
            r"config.yaml: parity.output_tokens: must be below parity.max_length \(192\); .*",
        ),
        ("kv_budget_mib", 0, r"config.yaml: kv_budget_mib: 0 .*above 0.*"),
        ("kv_budget_mib", "48 MiB", r'config.yaml: kv_budget_mib: "48 MiB" .*auto or a number above 0.*'),
        ("kv_budget_mib", float("nan"), r"config.yaml: kv_budget_mib: NaN .*"),
        ("kv_budget_mib", float("inf"), r"config.yaml: kv_budget_mib: Infinity .*"),
        ("memory_fraction", 1.5, r"config.yaml: memory_fraction: 1.5 .*above 0 and up to 1.*"),
        ("block_size", 16, r"config.yaml: block_size: 16 is not a multiple of 32, .*"),
        ("prefix_sharing", 1, r"config.yaml: prefix_sharing: 1 is not allowed; write true or false, .*: false"),
        (
            "prefix_sharing",
            True,
            r"config.yaml: prefix_sharing: hf-sequential cannot share blocks; .* use hf-continuous, vllm-.*",
        ),
        ("runs/0/prefix_sharing", True, r".*runs\[0\].prefix_sharing: hf-sequential cannot share blocks; .*"),
        (
            "runs/1/sweep",
            {"prefix_sharing": [True]},
            r".*runs\[1\].sweep.prefix_sharing: hf-sequential cannot share blocks; .*",
        ),
        ("runs/1/sweep", {"prefix_sharing": ["on"]}, r'.*sweep.prefix_sharing\[0\]: "on" .*write true or false'),
        (
            "capacity/llama-2-7b-sharegpt/wrkload",
            "x",
            r".*capacity.llama-2-7b-sharegpt.wrkload: unknown key; .*workload.*",
        ),
        ("capacity/llama-2-7b-sharegpt/workload", "guide", r'.*workload: "guide" .*sharegpt, alpaca, mixed'),
        ("capacity/llama-2-7b-sharegpt/card", {"name": "x"}, r".*card.memory_gib: missing; .*"),
        (
            "capacity/x",
            {"card": {"name": "x", "memory_gib": 8}, "workload": "mixed"},
            r".*capacity.x: needs either a model .*",
        ),
        (
            "capacity/llama-2-7b-sharegpt/requests_per_s",
            5,
            r".*requests_per_s: a rate needs step_time; add step_time .*",
        ),
        ("capacity/llama-2-7b-sharegpt/step_time", {"constant_s": 1}, r".*step_time.source: missing; .*"),
        (
            "capacity/llama-2-7b-sharegpt/card/activation_reserve",
            0.9,
            r".*card.activation_reserve: 0.9 leaves nothing of memory_fraction 0.9; lower it",
        ),
        ("sample_period_s", 0, r"config.yaml: sample_period_s: 0 .*"),
        ("sampling/temperature", -0.1, r"config.yaml: sampling.temperature: -0.1 .*from 0 to 2.*"),
        ("sampling/top_p", 0, r"config.yaml: sampling.top_p: 0.0 .*above 0 and up to 1.*"),
        ("sampling/top_k", 5, r"config.yaml: sampling.top_k: unknown key; did you mean top_p\? .*"),
        ("sampling", 0.7, r"config.yaml: sampling: 0.7 .*a mapping of keys.*"),
        ("models", {}, r"config.yaml: models: is empty; .*"),
        (
            "models/smollm2-135m/source",
            "pakage",
            r'.*source: unknown source "pakage"; did .*package.*',
        ),
        (
            "models/smollm2-135m",
            {"dtype": "auto"},
            r".*smollm2-135m: has no source; .*package, hub, path, shape",
        ),
        ("models/smollm2-135m", {"source": "hub", "id": "a/b"}, r".*smollm2-135m.revision: missing; .*id, revision"),
        ("models/smollm2-135m/revision", "main", r".*models.smollm2-135m.revision: unknown key; .*"),
        ("models/smollm2-135m/dtype", "fp16", r'.*models.smollm2-135m.dtype: "fp16" .*float16.*'),
        ("models/smollm2-135m/sha256", "abc", r".*models.smollm2-135m.sha256: .*64 hexadecimal digits.*"),
        ("models/smollm2-135m/version", 0.1, r".*models.smollm2-135m.version: 0.1 .*text.*"),
        ("models/a b", {"source": "path", "path": "x"}, r"config.yaml: models.a b: not a valid name; .*"),
        ("models/../x", {"source": "path", "path": "x"}, None),
        ("models/smollm2-135m", {"source": "path", "path": "/no/where"}, r".*models.smollm2-135m.path: no folder .*"),
        ("workloads/mixed/kind", "mixd", r'.*workloads.mixed.kind: unknown kind "mixd"; did you mean mixed\? .*'),
        ("workloads/mixed/requests", 0, r".*workloads.mixed.requests: 0 .*"),
        ("workloads/mixed/request", 1, r".*workloads.mixed.request: unknown key; did you mean requests\? .*"),
        ("workloads/mixed", {"kind": "user"}, r".*workloads.mixed.file: missing; .*"),
        ("workloads/mixed", {"kind": "user", "file": "no.jsonl"}, r".*workloads.mixed.file: no file .*"),
        ("workloads/parity", {"kind": "guide"}, r".*workloads.parity: this name is reserved .*"),
        ("engines/vlm", {}, r"config.yaml: engines.vlm: unknown key; did you mean vllm\? .*"),
        ("engines/vllm", 3, r".*engines.vllm: 3 is not allowed; write a mapping of keys.*"),
        ("runs", None, r"config.yaml: runs: is empty; write a list"),
        (
            "runs/1/engines",
            ["vlm"],
            r'.*runs\[1\].engines: unknown engine "vlm"; did you mean vllm\? known: hf-.*',
        ),
        (
            "runs/1/engines",
            ["vllm-eager"],
            r".*runs\[1\].engines: vllm-eager needs a CUDA device: .*; use vllm",
        ),
        (
            "runs/1/engines",
            ["hf-static-compiled"],
            r".*runs\[1\].engines: hf-static-compiled needs a CUDA device: .*; use hf-static",
        ),
        ("runs/1/engines", [], r".*runs\[1\].engines: is empty; .*"),
        ("runs/1/engines", "vllm", r'.*runs\[1\].engines: "vllm" is not allowed; write a list.*'),
        ("runs/1/engines", ["vllm", "vllm"], r'.*runs\[1\].engines\[1\]: "vllm" occurs twice in the list; remove one'),
        ("runs/1/workloads", ["gide"], r'.*runs\[1\].workloads: unknown workload "gide"; did you mean guide\? .*'),
        ("runs/1/models", ["gpt2"], r'.*runs\[1\].models: unknown model "gpt2"; known: smollm2-135m'),
        ("runs/1/workloads", ["guide"], r".*runs\[1\]: runs\[0\] contains the same run \(smollm2-135m, guide, .*"),
        ("runs/1/seed", 1, r".*runs\[1\].seed: unknown key; .*"),
        ("runs/1/block_size", 48, r".*runs\[1\].block_size: 48 is not a multiple of 32.*"),
        ("runs/1/sweep", {"block_size": [32, 48]}, r".*runs\[1\].sweep.block_size: 48 is not a multiple of 32.*"),
        ("runs/1/sweep", {"block_size": [32], "repeats": [1]}, r".*runs\[1\].sweep: has 2 keys .*; write 1"),
        ("runs/1/sweep", {"sequential_requests": [1, 2]}, r".*sweep.sequential_requests: unknown key; .*"),
        ("runs/1/sweep", {"seed": [1, 2]}, r".*runs\[1\].sweep.seed: unknown key; .*"),
        ("runs/1/sweep", {"block_size": 32}, r".*runs\[1\].sweep.block_size: 32 .*a list.*"),
        ("runs/1/sweep", {"kv_budget_mib": ["auto"]}, r".*kv_budget_mib\[0\]: .*above 0 and up to 16777216"),
        ("runs/1/sweep", {"kv_budget_mib": [8, 8.0]}, r".*sweep.kv_budget_mib\[1\]: 8.0 occurs twice in the list; .*"),
        (
            "runs/1/sweep",
            {"kv_budget_mib": [8]},
            r".*runs\[1\].kv_budget_mib: the sweep of this entry also sets it; .*",
        ),
        (
            "engines/vllm",
            {"max_model_len": 8},
            r".*engines.vllm.max_model_len: kvbench sets .*; .* follows max_length\)",
        ),
        ("engines/vllm-eager", {"kv_cache_dtype": "fp8"}, r".*vllm-eager.kv_cache_dtype: .*kv_dtype\)"),
        ("engines/vllm", {"enable_prefix_caching": True}, r".*enable_prefix_caching: .*prefix_sharing\)"),
        (
            "engines/vllm",
            {"scheduler_cls": "x"},
            r".*engines.vllm.scheduler_cls: kvbench sets this option for all engines; remove it",
        ),
        (
            "engines/hf-batch",
            {"torch_dtype": "float16"},
            r".*engines.hf-batch.torch_dtype: kvbench sets this option for all .*",
        ),
        ("engines/hf-continuous", {"num_blocks": 4}, r".*hf-continuous.num_blocks: .*kv_budget_mib\)"),
        ("parity/prompts", 17, r".*parity.prompts: 17 .*from 1 to 16.*"),
        (
            "paging_price/page_tokens",
            [24],
            r".*page_tokens\[0\]: 24 .*write a whole number from 16 to 10000000 and a multiple of 16",
        ),
        ("paging_price/layouts/gqa", {"kind": "gqa"}, r'.*layouts.gqa.kind: unknown kind "gqa"; known: plain, mla'),
        ("paging_price/layouts/gqa", {"kind": "mla", "heads": 4}, r".*layouts.gqa.kv_lora_rank: missing; .*"),
        (
            "paging_price/layouts/gqa/kv_heads",
            5,
            r".*layouts.gqa.heads: 32 query heads cannot share 5 KV heads evenly; write a multiple of 5",
        ),
        ("figures/formats", ["jpg"], r'.*figures.formats\[0\]: "jpg" .*known: pdf, png, svg'),
        ("figures/formats", ["pdf"], r".*figures.formats: the report needs svg or png; add one"),
        ("figures/options", {"memry": {}}, r".*figures.options.memry: unknown figure; did you mean memory\? .*"),
        ("figures/options", {"memory": {"width": 3}}, r".*memory.width: unknown key; did you mean width_in\? .*"),
    ],
)
def test_bad_input_is_one_line_with_key_and_mend(config: dict, path: str, value: object, line: str | None) -> None:
    if path == "models/../x":
        config["models"]["../x"] = value
        assert "not a valid name" in refusal(config)
    else:
        assert re.fullmatch(line, refusal(put(config, path, value)))


def test_the_whole_file_must_be_a_mapping() -> None:
    with pytest.raises(UserError, match="the whole file"):
        validate([], SCHEMA)


def test_there_may_be_no_run_but_there_is_something_to_do(config: dict) -> None:
    config["runs"] = []
    for left in ("replays", "capacity"):
        assert run_list(validate(copy.deepcopy(config) | {left: {}}, SCHEMA)) == []
    line = refusal(config | {"replays": {}, "capacity": {}})
    assert line == "config.yaml: runs: is empty, and so are replays and capacity; add an entry to one of the three"


def put_file(config: dict, section: str, path: str) -> dict:
    """Replace an entry in `config` by one that reads a user's file, and return `config`."""
    if section == "workloads":
        return put(config, "workloads/mixed", {"kind": "user", "file": path})
    return put(config, "replays/x", {"file": path, "pool_slots": 4096})


@pytest.mark.parametrize("section", ["workloads", "replays"])
def test_a_wildcard_in_a_files_name_is_refused(config: dict, tmp_path: Path, section: str) -> None:
    for name in ("a {b} c.csv", "{x,\\d+}.csv", "{1}.csv"):
        (tmp_path / name).write_text("10,5\n")
        line = refusal(put_file(copy.deepcopy(config), section, str(tmp_path / name)))
        assert re.fullmatch(
            rf"config.yaml: {section}\.\w+\.file: Snakemake would read {{.*}} in .*; rename it .*", line
        )
    for name in ("a.csv", "{}.csv", "{a b}.csv", "{.csv"):
        (tmp_path / name).write_text("10,5\n")
        assert validate(put_file(copy.deepcopy(config), section, str(tmp_path / name)), SCHEMA)


@pytest.mark.parametrize(("section", "key"), PATHS)
def test_home_may_be_written_short(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, key: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own").write_text("10,5\n")
    if section == "models":
        put(config, "models/x", {"source": "path", "path": "~/own"})
    else:
        put_file(config, section, "~/own")
    found = validate(config, SCHEMA)[section]
    assert str(tmp_path / "own") in [entry.get(key) for entry in found.values()]


def test_every_path_of_the_schema_may_begin_at_home() -> None:
    """PATHS lists all keys named path or file, except a file inside a package."""
    definitions = read_yaml(SCHEMA)["$defs"]
    forms = {"models": definitions["model"]["oneOf"], "workloads": definitions["workload"]["oneOf"]}
    forms |= {"replays": [definitions["replay"]], "capacity": [definitions["plan"]]}
    found = {(section, key) for section, some in forms.items() for one in some for key in one["properties"]}
    assert {pair for pair in found if pair[1] in ("path", "file")} - {("models", "file")} == set(PATHS)


def test_entries_of_one_workload_must_be_comparable(config: dict) -> None:
    config["runs"] = [
        {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]},
        {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["hf-batch"]},
    ]
    assert validate(copy.deepcopy(config), SCHEMA)
    other = put(copy.deepcopy(config), "runs/0/prefix_sharing", True)
    assert "runs[1].prefix_sharing: false differs from true of runs[0] for mixed" in refusal(other)
    for key, value in {"sampling": {"top_p": 0.9}, "max_length": 256, "kv_budget_mib": 24}.items():
        other = put(copy.deepcopy(config), f"runs/1/{key}", value)
        assert re.search(rf"runs\[1\].{key}: .* differs from .* of runs\[0\] for mixed", refusal(other))


def test_one_block_a_request_has_budgets_to_sweep_but_no_block_size(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm", "vllm-contiguous"]}
    config["runs"] = [{**entry, "sweep": {"kv_budget_mib": [48, 96]}}]
    assert len(run_list(validate(copy.deepcopy(config), SCHEMA))) == 4
    config["runs"] = [{**entry, "block_size": 64}]
    assert len(run_list(validate(copy.deepcopy(config), SCHEMA))) == 2
    config["runs"] = [{**entry, "sweep": {"block_size": [32, 64]}}]
    assert refusal(copy.deepcopy(config)) == (
        "config.yaml: runs[0].sweep.block_size: a block of vllm-contiguous holds max_length, whatever block_size is, "
        "so its points would be equal; remove vllm-contiguous from this entry"
    )
    config["runs"] = [{**entry, "prefix_sharing": True}]
    assert refusal(config).startswith("config.yaml: runs[0].prefix_sharing: vllm-contiguous cannot share blocks; set")


def test_sampling_of_an_entry_is_compared_in_full(config: dict) -> None:
    """Writing out a default value makes no difference."""
    config["runs"] = [
        {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"], "sampling": {"top_p": 1.0}},
        {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["hf-batch"]},
    ]
    assert len(run_list(validate(config, SCHEMA))) == 2


def test_text_is_refused_for_shapes_and_their_length_is_checked(config: dict) -> None:
    config["models"]["tiny"] = {"source": "shape", "shape": SHAPE}
    config["runs"] = [{"models": ["tiny"], "workloads": ["guide"], "engines": ["vllm"]}]
    assert "guide contains text, but tiny has no tokenizer" in refusal(copy.deepcopy(config))
    config["runs"][0]["workloads"] = ["mixed"]
    assert refusal(copy.deepcopy(config)).startswith("config.yaml: max_length: 512 is more than tiny's")
    config["max_length"] = 256
    assert parity_list(validate(config, SCHEMA)) == []


@pytest.mark.parametrize(("text", "value"), [("1e-1", 0.1), ("0.5", 0.5), ("1", 1)])
def test_numbers_written_as_text_are_numbers(config: dict, text: str, value: float) -> None:
    assert validate(put(config, "memory_fraction", text), SCHEMA)["memory_fraction"] == value


def test_whole_numbers_may_be_written_as_text_or_float(config: dict) -> None:
    config |= {"repeats": "8", "max_length": 1e3, "cpu_threads": "2"}
    done = validate(config, SCHEMA)
    assert [json.dumps(done[key]) for key in ("repeats", "max_length", "cpu_threads")] == ["8", "1000", "2"]


def test_defaults_complete_a_partial_configuration(config: dict) -> None:
    partial = {key: config[key] for key in ("models", "runs")}
    partial |= {"workloads": {"guide": {"kind": "guide"}, "mixed": {"kind": "mixed"}}, "sampling": {"top_p": 0.9}}
    partial["engines"] = {"vllm": None}
    done = validate(partial, SCHEMA)
    assert done is partial
    assert done["sampling"] == {"temperature": 0.0, "top_p": 0.9}
    assert done["engines"] == {"vllm": {}}
    assert done["workloads"]["mixed"]["requests"] == 16
    assert done["figures"] == {"formats": ["pdf", "png", "svg"], "dpi": 300, "options": {}}
    validate(done, SCHEMA)


def test_defaults_of_the_schema_are_the_values_of_config_yaml() -> None:
    given = read_yaml(ROOT / "config.yaml")
    needed = {"models": given["models"], "workloads": given["workloads"], "runs": given["runs"]}
    needed |= {name: given[name] for name in ("paging_price", "capacity", "replays")}
    filled = validate(needed, SCHEMA)
    assert {key: value for key, value in filled.items() if key != "engines"} == {
        key: value for key, value in validate(given, SCHEMA).items() if key != "engines"
    }


def test_runs_of_config_yaml(config: dict) -> None:
    runs = run_list(validate(config, SCHEMA))
    assert {(run.workload, run.engine) for run in runs} == {
        *(("guide", engine) for engine in ("hf-sequential", "hf-batch", "vllm")),
        *(("mixed", engine) for engine in DEFAULT_ENGINES),
    }
    assert [run.engine for run in parity_list(config)] == sorted(
        set(DEFAULT_ENGINES) & set(config["parity"]["engines"])
    )
    assert runs[0].folder == "results/runs/smollm2-135m/hf-sequential/guide/base"


def test_parity_always_has_its_reference(config: dict) -> None:
    config["runs"] = [{"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]}]
    assert [run.engine for run in parity_list(validate(config, SCHEMA))] == ["hf-batch", "vllm"]


def test_the_gate_runs_only_its_engines(config: dict) -> None:
    config["parity"] = {"engines": ["vllm"], "sequential_prompts": 2}
    runs = parity_list(validate(config, SCHEMA))
    assert [run.engine for run in runs] == ["hf-batch", "vllm"]
    assert run_settings(config, "smollm2-135m", "vllm-sequential", "parity", "base")["sequential_requests"] == 2
    assert run_settings(config, "smollm2-135m", "vllm", "parity", "base")["sequential_requests"] == 0


def test_a_sweep_makes_points_in_place_of_the_base(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"], "repeats": 3}
    config["runs"] = [entry, {**entry, "sweep": {"block_size": [64, 128]}}, {**entry, "sweep": {"kv_budget_mib": [24]}}]
    runs = run_list(validate(config, SCHEMA))
    assert [run.point for run in runs] == ["base", "block_size-64", "block_size-128", "kv_budget_mib-24"]
    found = [run_settings(config, "smollm2-135m", "vllm", "mixed", run.point) for run in runs]
    assert [(one["block_size"], one["kv_budget_mib"]) for one in found] == [
        ("auto", 48),
        (64, 48),
        (128, 48),
        ("auto", 24),
    ]
    assert {one["repeats"] for one in found} == {3}


def test_points_of_sharing_differ_in_nothing_else(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]}
    config["runs"] = [{**entry, "sweep": {"prefix_sharing": [False, True]}}]
    runs = run_list(validate(config, SCHEMA))
    assert [run.point for run in runs] == ["prefix_sharing-false", "prefix_sharing-true"]
    off, on = (run_settings(config, "smollm2-135m", "vllm", "mixed", run.point) for run in runs)
    assert off["prefix_sharing"] is False
    assert off | {"prefix_sharing": True, "point": "prefix_sharing-true"} == on
    assert (
        run_settings({**config, "prefix_sharing": True}, "smollm2-135m", "vllm", PARITY, "base")["prefix_sharing"]
        is False
    )


def test_processes_repeat_a_run_in_folders_of_their_own(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]}
    config["processes"] = 2
    config["runs"] = [entry, {**entry, "processes": 3, "sweep": {"block_size": [64]}}]
    runs = run_list(validate(config, SCHEMA))
    assert [run.place for run in runs] == [
        *("base", "base.process-2"),
        *("block_size-64", "block_size-64.process-2", "block_size-64.process-3"),
    ]
    assert runs[1].folder == "results/runs/smollm2-135m/vllm/mixed/base.process-2"
    names = [(run.model, run.engine, run.workload, run.place) for run in runs]
    assert [RunName.of(*name) for name in names] == runs
    first, second, *_, last = (run_settings(config, *name) for name in names)
    assert {key for key in first if first[key] != second[key]} == {"process"}
    assert (last["point"], last["process"], last["block_size"]) == ("block_size-64", 3, 64)
    with pytest.raises(UserError, match=r"no entry produces .*/mixed/base\.process-3"):
        run_settings(config, "smollm2-135m", "vllm", "mixed", "base.process-3")
    assert {run.process for run in parity_list(config)} == {1}


def test_figures_are_those_that_the_runs_have_something_for() -> None:
    base = [RunName("m", engine, "w") for engine in ("hf-batch", "vllm")]
    shared = [RunName("m", "vllm", "w", f"prefix_sharing-{value}") for value in ("false", "true")]
    always = {"memory", "throughput", "latency", "roofline", "kv_waste", "memory_parts", "workload_lengths"}
    others = {"attribution", "parity", "sharing", "block_size", "preemption"}
    found = [set(figures_of(runs)) for runs in (base, shared, base[1:] + shared[:1])]
    assert [some & others for some in found] == [{"attribution", "parity"}, {"sharing"}, {"attribution"}]
    assert all(always <= some for some in found)


def points(engine: str, key: str, *values: object) -> list[RunName]:
    return [RunName("m", engine, "w", f"{key}-{value}") for value in values]


def test_sweeps_have_figures_where_an_engine_with_blocks_has_two_points() -> None:
    blocks, budgets = points("vllm", "block_size", 32, 64), points("hf-continuous", "kv_budget_mib", 8, 9.5)
    assert {"block_size", "preemption"} & set(figures_of(blocks + budgets)) == {"block_size", "preemption"}
    assert "preemption" not in figures_of(blocks + budgets[:1])
    assert "block_size" not in figures_of([replace(blocks[0], process=n) for n in (1, 2)])
    without = points("hf-batch", "kv_budget_mib", 8, 9.5) + points("vllm-sequential", "kv_budget_mib", 8, 9.5)
    assert "preemption" not in figures_of(without)


def test_a_base_is_a_point_of_a_sweep_where_it_differs_in_nothing_else(config: dict) -> None:
    entry = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm", "hf-batch"]}
    swept = {**entry, "engines": ["vllm"], "repeats": 9}
    sweeps = [{"block_size": [64, 128]}, {"kv_budget_mib": [24, 96]}]
    config["runs"] = [{**entry, "processes": 2}, *({**swept, "sweep": sweep} for sweep in sweeps)]
    validate(config, SCHEMA)
    found = [[run.place for run in swept_runs(config, "smollm2-135m", "mixed", *sweep)] for sweep in sweeps]
    bases = ["base", "base.process-2"]
    assert found == [["block_size-64", "block_size-128", *bases], ["kv_budget_mib-24", "kv_budget_mib-96", *bases]]
    assert swept_runs(config, "smollm2-135m", "guide", "block_size") == []
    config["runs"][0]["kv_budget_mib"] = 24
    found = [[run.place for run in swept_runs(config, "smollm2-135m", "mixed", *sweep)] for sweep in sweeps]
    assert found == [["block_size-64", "block_size-128"], ["kv_budget_mib-24", "kv_budget_mib-96", *bases]]


def test_settings_of_a_run(config: dict) -> None:
    config["engines"]["vllm"] = {"max_num_seqs": 8}
    validate(config, SCHEMA)
    found = run_settings(config, "smollm2-135m", "vllm", "guide", "base")
    assert found["sampling"] == {"temperature": 0.7, "top_p": 0.95}
    assert found["options"] == {"max_num_seqs": 8}
    assert found["purpose"] == "measure"
    assert list(found) == sorted(found)
    keys = """model engine workload point process repeats sampling seed max_length kv_budget_mib memory_fraction
        block_size kv_dtype prefix_sharing sequential_requests cpu_threads sample_period_s dtype options device purpose
        gpus
        shared_gpu requests_per_s burstiness read_blocks"""
    assert set(found) == set(keys.split())
    json.dumps(found)


def test_settings_do_not_depend_on_the_order_of_keys(config: dict) -> None:
    config["engines"]["vllm"] = {"kernel_config": {"y": 1, "x": 2}, "async_scheduling": 1}
    found = run_settings(validate(config, SCHEMA), "smollm2-135m", "vllm", "guide", "base")
    assert json.dumps(found["options"]) == '{"async_scheduling": 1, "kernel_config": {"x": 2, "y": 1}}'


def test_settings_of_a_parity_run(config: dict) -> None:
    config["sampling"] = {"temperature": 1.0, "top_p": 0.5}
    found = run_settings(validate(config, SCHEMA), "smollm2-135m", "hf-batch", PARITY, "base")
    wanted = {"dtype": "float32", "repeats": 1, "sequential_requests": 0, "purpose": "parity"}
    assert wanted.items() <= found.items()
    assert found["sampling"] == {"temperature": 0.0, "top_p": 1.0}


def test_an_unknown_run_has_no_settings(config: dict) -> None:
    with pytest.raises(UserError, match="no entry produces results/runs/smollm2-135m/vllm/mixed/x"):
        run_settings(validate(config, SCHEMA), "smollm2-135m", "vllm", "mixed", "x")


def test_settings_of_workloads(config: dict) -> None:
    config["runs"][1]["max_length"] = 256
    validate(config, SCHEMA)
    mixed, guide, parity = (workload_settings(config, "smollm2-135m", name) for name in ("mixed", "guide", PARITY))
    assert mixed == {"kind": "mixed", "max_length": 256, "requests": 13, "seed": 0}
    assert guide["max_length"] == 512
    assert parity == {"kind": "parity", "max_length": 192, "output_tokens": 50, "prompts": 16, "seed": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1,\n", "line 3: not valid YAML"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "line 4: key c is written twice; keep one"),
        ("a:\n\t- b\n", "line 2: not valid YAML"),
        (b"a: \xff\n", "line 1: not UTF-8"),
        ("a: &x [*x]\n", "a value contains itself"),
        (None, "No such file"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: .*{message}"):
        read_yaml(path)


def test_overlays_are_valid_over_config_yaml() -> None:
    for overlay in (ROOT / "config").glob("*.yaml"):
        if overlay.name not in ("cards.yaml", "claims.yaml", "published.yaml", "shapes.yaml", "targets.yaml"):
            overlaid(overlay.stem, sources=overlay.stem != "paper-traces")


def test_the_papers_trace_is_asked_for_by_name() -> None:
    with pytest.raises(UserError, match=r"paper-sharegpt.file: no file .sharegpt_pairs.csv.; give one that exists"):
        overlaid("paper-traces")


def test_the_guide_to_the_letter() -> None:
    config = overlaid("guide")
    assert run_list(config) == [RunName("gpt2", name, "guide") for name in ("hf-sequential", "vllm")]
    found = run_settings(config, "gpt2", "vllm", "guide", "base")
    wanted = {"dtype": "float16", "memory_fraction": 0.8, "kv_budget_mib": "auto", "max_length": 512}
    assert wanted.items() <= found.items()
    assert found["sampling"] == {"temperature": 0.7, "top_p": 0.95}


def test_full_runs_every_engine_of_a_cpu() -> None:
    config = overlaid("full")
    on_cpu = set(ENGINES) - set(CUDA_ONLY)
    assert {run.engine for run in run_list(config)} == {run.engine for run in parity_list(config)} == on_cpu
    assert {run.point for run in run_list(config)} == {"base", "block_size-64", "block_size-96", "block_size-128"}


def test_the_gpu_overlays_take_the_whole_ladder_at_two_sizes() -> None:
    engines: dict[str, set[str]] = {}
    for overlay in ("gpu", "gpu-shapes"):
        config = overlaid(overlay)
        for run in run_list(config):
            engines.setdefault(run.model, set()).add(run.engine)
        assert {run.model for run in parity_list(config)} == ({"smollm2-135m"} if overlay == "gpu" else set())
    assert engines["smollm2-135m"] == engines["llama-2-7b"] == set(ENGINES)
    assert engines["gpt2"] >= {"hf-batch", "vllm-reserved", "vllm"} <= engines["llama-13b"]
    assert read_yaml(ROOT / "profiles/gpu/config.yaml")["configfile"] == ["config.yaml", "config/gpu.yaml"]


def test_the_gpu_benchmarks_are_all_kinds_without_arrivals_on_runs_of_the_gpu_overlays() -> None:
    own = overlaid("gpu-benchmarks")
    assert {one["kind"] for one in own["benchmarks"].values()} == set(BENCHMARKED) - {PEER_SERVE}
    subjects = {(one["model"], one["workload"]) for one in own["benchmarks"].values()}
    assert subjects == {("smollm2-135m", "mixed"), ("llama-2-7b", "alpaca")}
    for overlay, (model, workload) in zip(("gpu", "gpu-shapes"), sorted(subjects, reverse=True), strict=True):
        ladder = overlaid(overlay)
        assert run_settings(own, model, "vllm", workload, "base") | {"sequential_requests": 8} == run_settings(
            ladder, model, "vllm", workload, "base"
        )
        assert workload_settings(own, model, workload) == workload_settings(ladder, model, workload)
        assert ladder["benchmarks"] == {}


def test_schema_and_config_yaml_know_the_same_keys() -> None:
    """Every schema key is set or shown in config.yaml, and every top-level key there has a comment above it."""
    text = (ROOT / "config.yaml").read_text()
    for name in schema_keys(read_yaml(SCHEMA)):
        assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), name
    for match in re.finditer(r"^(\w+):", text, re.M):
        above = text[: match.start()].rstrip("\n").splitlines()[-1]
        assert above.startswith("#"), f"{match[1]} has no comment"


def schema_keys(node: object) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(schema_keys, node))
    if not isinstance(node, dict):
        return set()
    return set(node.get("properties", {})) | set().union(*(schema_keys(value) for value in node.values()))


def test_every_key_of_the_schema_is_described() -> None:
    missing = []

    def visit(node: object, at: str) -> None:
        if isinstance(node, dict):
            missing.extend(f"{at}.{key}" for key, sub in node.get("properties", {}).items() if "description" not in sub)
            for key, sub in node.items():
                visit(sub, f"{at}.{key}")
        elif isinstance(node, list):
            for sub in node:
                visit(sub, at)

    visit(written_out(read_yaml(SCHEMA)), "")
    assert missing == []


def test_schema_agrees_with_the_code_that_reads_it() -> None:
    schema = written_out(read_yaml(SCHEMA))["properties"]
    kinds = schema["workloads"]["additionalProperties"]["oneOf"]
    known = {one["properties"]["kind"]["const"]: set(one["properties"]) - {"kind"} for one in kinds}
    assert known == {kind: set(options) for kind, options in DEFAULTS.items() if kind != PARITY}
    defaults = {
        one["properties"]["kind"]["const"]: {k: v["default"] for k, v in one["properties"].items() if "default" in v}
        for one in kinds
    }
    assert defaults == {
        kind: {key: value for key, value in options.items() if value is not None}
        for kind, options in DEFAULTS.items()
        if kind != PARITY
    }
    sources = schema["models"]["additionalProperties"]["oneOf"]
    known = {one["properties"]["source"]["const"]: set(one["properties"]) - {"source", "dtype"} for one in sources}
    assert known == {source: set(keys) for source, keys in KEYS.items()}
    assert list(ENGINES) == list(schema["engines"]["properties"])


def test_only_known_keywords_are_in_the_schema() -> None:
    known = {"$schema", "$ref", "$defs", "title", "description", "type", "default", "enum", "const", "anyOf", "oneOf"}
    known |= {"properties", "additionalProperties", "required", "propertyNames", "minProperties", "maxProperties"}
    known |= {"items", "minItems", "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "pattern", "minLength"}
    known |= {"multipleOf", "maxLength", "format"}

    def keywords(node: dict) -> set[str]:
        subs = [*node.get("properties", {}).values(), *node.get("$defs", {}).values()]
        subs += [*node.get("anyOf", []), *node.get("oneOf", [])]
        subs += [node[key] for key in ("items", "propertyNames", "additionalProperties") if key in node]
        subs = [sub for sub in subs if isinstance(sub, dict)]
        return set(node).union(*map(keywords, subs))

    assert keywords(read_yaml(SCHEMA)) <= known


def test_importing_the_configuration_loads_nothing_heavy() -> None:
    code = "import sys, kvbench.config.settings, kvbench.config.digests; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"jsonschema", "pandas", "numpy", "pyarrow", "torch", "yaml"}.isdisjoint(loaded)


def test_several_gpus_are_for_engines_that_can_share_a_model(config: dict) -> None:
    assert "runs on a CPU" in refusal({**copy.deepcopy(config), "gpus": 2})
    config = {**config, "device": "cuda"}
    complete = validate({**copy.deepcopy(config), "gpus": 2}, SCHEMA)
    assert run_settings(complete, "smollm2-135m", "vllm", "mixed", "base")["gpus"] == 2
    config["runs"][0] |= {"gpus": 2, "engines": ["hf-continuous"]}
    assert "config.yaml: runs[0].gpus: hf-continuous runs on one GPU" in refusal(config)


def test_heads_that_gpus_cannot_share_are_refused(config: dict) -> None:
    config = {**config, "device": "cuda", "gpus": 3}
    config["models"]["shape"] = {"source": "shape", "shape": {**SHAPE, "kv_heads": 4}}
    config["runs"] = [{"models": ["shape"], "workloads": ["mixed"], "engines": ["vllm"], "max_length": 128}]
    assert "config.yaml: gpus: shape has 4 KV heads, which cannot be split evenly over 3 GPUs" in refusal(config)


def test_true_and_false_are_no_numbers(config: dict) -> None:
    assert "shared_gpu" in refusal({**copy.deepcopy(config), "shared_gpu": 1})
    assert "gpus" in refusal({**copy.deepcopy(config), "gpus": True})
    assert validate({**config, "shared_gpu": True}, SCHEMA)["shared_gpu"] is True
