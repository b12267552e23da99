"""No option of an engine makes a library load code or pickles, whatever version is installed."""

from __future__ import annotations

from typing import Any

import pytest
from builders.configured import configured
from builders.refusals import refused

from kvbench.engines.names import ENGINES


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
        ("vllm", "kv_transfer_config", {"kv_connector": "X", "kv_connector_module_path": "x"}),
        ("vllm", "speculative_config", {"method": "ngram", "trust_remote_code": True}),
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
    "value",
    ["evil.module", "evil:function", "/tmp/evil.py", "owner/name", "https://host", "../x", "a\n", "", "x" * 101, "{}"],
)
def test_a_value_that_could_name_code_is_refused_whatever_the_option(value: str) -> None:
    for own, at in (
        (value, ""),
        ([1, value], r"\[1\]"),
        ({"passes": {"one": value}}, ".passes.one"),
    ):
        with refused(rf"engines.vllm.option_to_come{at}: .* could name code, a file or a repository, which no option"):
            configured(engines={"vllm": {"option_to_come": own}})


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
