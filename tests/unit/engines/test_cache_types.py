"""Number types and head sizes that vLLM's cache cannot have are refused in a line that says what is possible."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.engine_settings import engine_settings

from kvbench.engines.vllm import cache_types
from kvbench.engines.vllm.cache_types import refuse_cpu_cache, refuse_kv_dtype
from kvbench.errors import UserError

SETTINGS = engine_settings("vllm", model_path="m")
NO_FP8 = "FP8 KV cache on CPU requires x86 with AVX-512 or AMX"


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without fp8 that takes heads of a multiple of 64 elements."""

    def problem(dtype: str, kv_dtype: str, head_size: int, block_size: int) -> str | None:
        if head_size % 64:
            return f"Unsupported CPU attention configuration: head_dim={head_size}"
        return NO_FP8 if kv_dtype.startswith("fp8") else None

    monkeypatch.setattr(cache_types, "_problem", problem)


def refused(kv_dtype: str, head_size: int = 64, *, latent: bool = False, dtype: str = "float32") -> str:
    with pytest.raises(UserError) as found:
        refuse_cpu_cache(replace(SETTINGS, kv_dtype=kv_dtype, dtype=dtype), head_size, latent=latent)
    return str(found.value)


def test_a_build_without_fp8_names_the_key_and_what_is_possible():
    assert refused("fp8") == (
        "config.yaml: kv_dtype: fp8: vLLM cannot keep the cache of the model in m in it on this CPU: "
        f"{NO_FP8}; write auto"
    )


def test_a_type_that_the_kernel_would_overrun_is_refused():
    assert "float16: vLLM cannot keep" in refused("float16")
    assert refused("bfloat16").endswith(
        "the kernel writes float32, the model's type, whatever the type of the cache; write auto or fp8"
    )
    refuse_cpu_cache(replace(SETTINGS, kv_dtype="bfloat16", dtype="bfloat16"), 64, latent=False)


def test_a_head_size_that_the_kernel_does_not_take_names_those_that_it_takes():
    told = refused("auto", 40)
    assert told.startswith("config.yaml: models: a head of the model in m has 40 elements (head_dim of a shape)")
    assert "possible are 64, 128, 192, 256, 320, 384, 448, 512; use another model, or remove vllm" in told


def test_latent_caches_stay_in_the_model_s_type():
    assert "its latent cache (MLA) stays in the model's own type; write auto" in refused("fp8", 576, latent=True)
    refuse_cpu_cache(SETTINGS, 576, latent=True)


def test_what_can_be_kept_is_not_refused():
    refuse_cpu_cache(SETTINGS, 128, latent=False)


def test_a_load_that_fails_with_a_number_type_names_it():
    error = RuntimeError("For FP8 input, output must have dtype BF16.\nmore")
    own = replace(SETTINGS, kv_dtype="fp8", dtype="float16")
    with pytest.raises(
        UserError, match=r"kv_dtype: fp8: .* in float16 with it \(For FP8 .* BF16\); write auto, or give"
    ):
        refuse_kv_dtype(own, error)
    refuse_kv_dtype(SETTINGS, error)
    refuse_kv_dtype(own, RuntimeError("DefaultCPUAllocator: can't allocate memory"))
