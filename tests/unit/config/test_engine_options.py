"""No option of an engine makes a library load code or pickles, whatever version is installed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from builders.configured import configured
from builders.refusals import refused

from kvbench.engines.names import ENGINES
from kvbench.engines.passed_on import CONTINUOUS, VLLM, passed_on


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [True, False])
def test_remote_code_is_refused_for_every_engine(engine: str, value: bool) -> None:
    line = f"engines.{engine}.trust_remote_code: this option can make the library load code or pickles, which kvbench"
    with refused(f"^config.yaml: {line} never does; remove it$"):
        configured(engines={engine: {"trust_remote_code": value}})


@pytest.mark.parametrize(
    ("engine", "option", "value"),
    [
        ("vllm", "logits_processors", ["x"]),
        ("vllm", "hf_overrides", {"architectures": ["X"]}),
        ("vllm", "model_class_overrides", {"a": "b"}),
        ("vllm", "code_revision", "main"),
        ("vllm", "io_processor_plugin", "x"),
        ("vllm", "reasoning_parser_plugin", "x"),
        ("vllm", "model_loader_extra_config", {}),
        ("vllm", "worker_cls_to_come", "x"),
        ("vllm", "compilation_config", {"inductor_passes": {"trust_remote_code": True}}),
        ("vllm", "attention_config", {"backend_cls": "x"}),
        ("vllm", "tokenizer", "x"),
        ("vllm", "hf_config_path", "x"),
        ("hf-batch", "custom_generate", "x"),
        ("hf-batch", "use_safetensors", False),
        ("hf-batch", "weights_only", False),
        ("hf-batch", "use_kernels", True),
        ("hf-batch", "allow_all_kernels", True),
        ("hf-batch", "config", "x"),
        ("hf-batch", "code_revision", "x"),
        ("hf-continuous", "allow_unsafe_loading", True),
    ],
)
def test_options_that_load_code_are_refused_by_name(engine: str, option: str, value: Any) -> None:
    with refused(rf"^config.yaml: engines.{engine}.{option}.*: this option can make the library load code or pickles"):
        configured(engines={engine: {option: value}})


@pytest.mark.parametrize("value", ["pt", "auto_pt", "npcache", "tensorizer", "mistral", None, 1])
def test_formats_of_pickles_are_refused(value: Any) -> None:
    with refused(r"engines.vllm.load_format: .* can load pickles, .*; write one of auto, safetensors, dummy"):
        configured(engines={"vllm": {"load_format": value}})


@pytest.mark.parametrize(
    ("engine", "option", "line"),
    [
        ("vllm", "log_config_file", "only options that cannot load code, read files or open connections are passed on"),
        ("vllm", "option_to_come", "only options that cannot load code, .*"),
        ("vllm", "tokenizer_mode", "only options that cannot load code, .*"),
        ("vllm", "kv_transfer_config", "only options that cannot load code, .*"),
        ("vllm", "speculative_config", "the tokens of a draft take slots that kvbench does not account for"),
        ("vllm", "hf_token", "it would stand in results/config.yaml; set the environment variable HF_TOKEN"),
        ("vllm", "max_num_seq", "only options that .* are passed on; did you mean max_num_seqs"),
        ("hf-batch", "option_to_come", "only options that cannot load code, .*"),
        ("hf-batch", "max_batch_tokens", "only options that cannot load code, .*"),
        ("hf-continuous", "option_to_come", "only options that cannot load code, .*"),
    ],
)
@pytest.mark.parametrize("value", [True, 1, None, "word", {}])
def test_no_option_is_passed_on_that_is_not_listed(engine: str, option: str, line: str, value: Any) -> None:
    """Whatever a later version of a library adds is refused; a plain word can name a file with code."""
    with refused(rf"^config.yaml: engines.{engine}.{option}: kvbench does not pass this option on: {line}.*remove it$"):
        configured(engines={engine: {option: value}})


@pytest.mark.parametrize("engine", ENGINES)
def test_every_listed_option_can_be_set(engine: str) -> None:
    for option in passed_on(engine):
        value = "auto" if option == "load_format" else 1
        assert configured(engines={engine: {option: value}})["engines"][engine] == {option: value}


@pytest.mark.engine
def test_every_listed_option_is_one_of_the_installed_libraries() -> None:
    from transformers import ContinuousBatchingConfig
    from vllm.engine.arg_utils import EngineArgs

    assert {field.name for field in fields(EngineArgs)} >= VLLM
    assert {field.name for field in fields(ContinuousBatchingConfig)} >= CONTINUOUS


@pytest.mark.parametrize(
    "value",
    ["evil.module", "evil:function", "/tmp/evil.py", "owner/name", "https://host", "../x", "a\n", "", "x" * 101, "{}"],
)
def test_a_value_that_could_name_code_is_refused_whatever_the_option(value: str) -> None:
    for own, at in (
        (value, ""),
        ([1, value], r"\[1\]"),
        ({"passes": {"one": value}}, ".passes.one"),
    ):
        with refused(rf"engines.vllm.compilation_config{at}: .* could name code, a file or a repository, which no"):
            configured(engines={"vllm": {"compilation_config": own}})


@pytest.mark.parametrize("key", ["cache_dir", "debug_dump_path", "log_file", "endpoint"])
def test_no_part_of_an_option_names_files_or_addresses(key: str) -> None:
    """A plain word names a file or folder of the working directory; vLLM loads pickles from its compile cache."""
    line = "options that name files or addresses are not passed on; remove it"
    with refused(rf"^config.yaml: engines.vllm.compilation_config.pass_config.{key}: {line}$"):
        configured(engines={"vllm": {"compilation_config": {"pass_config": {key: "word"}}}})


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("vllm", {"max_num_seqs": 8, "gpu_memory_utilization": 0.5, "enforce_eager": True}),
        ("vllm", {"compilation_config": {"cudagraph_mode": "FULL_AND_PIECEWISE", "custom_ops": ["none", "+rms_norm"]}}),
        ("vllm", {"load_format": "dummy", "attention_backend": "FLASH_ATTN", "max_num_batched_tokens": 64}),
        ("hf-batch", {"attn_implementation": "flash_attention_2", "low_cpu_mem_usage": True}),
        ("hf-continuous", {"attn_implementation": "paged|eager", "max_batch_tokens": 64}),
        ("hf-continuous", {"drop_unsupported_processors": True, "seed": None}),
    ],
)
def test_other_options_are_passed_on(engine: str, options: dict[str, Any]) -> None:
    assert configured(engines={engine: options})["engines"][engine] == options
