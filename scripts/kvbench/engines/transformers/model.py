"""The Transformers model of every `hf-` engine: loading, generation settings, settings in force and memory."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from kvbench.engines.base import EngineSettings, LoadTimes, refuse_options, refuse_weights, resident_bytes
from kvbench.engines.imports import importing

ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")  # torch reads both; the second is the older name
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate", "numpy")


def let_segments_grow(settings: EngineSettings) -> None:
    """Before torch loads: on CUDA let its allocator extend segments in place, unless the user has configured it.

    A growing cache allocates a slightly larger tensor in each step. In fixed segments, the memory that the last step
    freed is too small for the next: torch reserved up to twice what was allocated. The cost in speed is not measured.
    """
    if settings.device.startswith("cuda") and not any(os.environ.get(name) for name in ALLOCATOR):
        os.environ[ALLOCATOR[0]] = "expandable_segments:True"


def load_model(settings: EngineSettings, options: Mapping[str, Any]) -> tuple[Any, LoadTimes]:
    """Import the packages and load the model, ready to generate; `options` go to `from_pretrained`."""
    begin = time.monotonic()
    with importing():
        import torch
        from transformers import AutoModelForCausalLM, DynamicCache  # noqa: F401 (both load modules of their own)

    import_s, imported_bytes = time.monotonic() - begin, resident_bytes(settings.device)
    begin = time.monotonic()
    torch.manual_seed(settings.seed)
    # cuDNN's attention builds a plan for each new shape, and a growing cache has a new shape in every step. When torch
    # was free to choose it, steps with a new shape took 48 to 89 ms longer on an H100 (benchmarks/step_times.py).
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    model = _from_files(settings, options).eval()
    model.generation_config = _generation_config(settings, model.generation_config.pad_token_id)
    synchronise(settings)
    gc.collect()
    gc.freeze()  # as vLLM does: later collections need not scan the loaded model
    return model, LoadTimes(import_s, time.monotonic() - begin, imported_bytes)


def _from_files(settings: EngineSettings, own: Mapping[str, Any]) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    ours = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(settings.model_path, **ours)
    options = {"attn_implementation": attention_for(config), "dtype": getattr(torch, settings.dtype), **own}
    try:
        if settings.random_weights:
            with torch.device(settings.device):
                return _spread(AutoModelForCausalLM.from_config(config, trust_remote_code=False, **options), settings)
        placed = {"device_map": settings.device}
        if settings.gpus > 1:
            placed = {"device_map": "balanced", "max_memory": _free_bytes(settings)}
        return AutoModelForCausalLM.from_pretrained(
            settings.model_path, use_safetensors=True, **ours, **placed, **options
        )
    except (ImportError, TypeError, ValueError) as error:
        refuse_options(settings, "Transformers", error)
        raise
    except Exception as error:
        refuse_weights(settings, error)
        raise


def attention_for(config: Any) -> str:
    """SDPA, or eager attention for a model to which Transformers gives no other without code of the hub (gpt-oss)."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return "sdpa" if MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]._supports_sdpa else "eager"


def _spread(model: Any, settings: EngineSettings) -> Any:
    """Distribute a model, initialised on the first GPU, over the run's GPUs; each gets about as many layers."""
    if settings.gpus == 1:
        return model
    from accelerate import dispatch_model, infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole = {"no_split_module_classes": list(model._no_split_modules), "dtype": model.dtype}
    room = get_balanced_memory(model, max_memory=_free_bytes(settings), **whole)
    return dispatch_model(model, infer_auto_device_map(model, max_memory=room, **whole))


def _free_bytes(settings: EngineSettings) -> dict[int, int]:
    """Bytes that accelerate may use on each GPU: free memory minus that GPU's share of the KV budget."""
    import torch

    share = settings.budget_bytes // settings.gpus
    return {gpu: torch.cuda.mem_get_info(gpu)[0] - share for gpu in range(settings.gpus)}


def _generation_config(settings: EngineSettings, pad_token_id: int | None) -> Any:
    """A configuration from our settings alone: the model's own defaults (sampling, end of sequence) must not apply."""
    from transformers import GenerationConfig

    sampled = settings.temperature > 0
    return GenerationConfig(
        pad_token_id=0 if pad_token_id is None else pad_token_id,
        eos_token_id=None,
        use_cache=True,
        do_sample=sampled,
        **({"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0} if sampled else {}),
    )


def model_in_force(model: Any, processors: Iterable[Any] | None = None) -> dict[str, Any]:
    """Settings as the model and torch report them; `processors` of logits default to those of `generate`."""
    import torch

    config = model.generation_config
    if processors is None:
        processors = model._get_logits_processor(config)
    return {
        "attn_implementation": model.config._attn_implementation,
        "sdpa_backends": _sdpa_backends(),
        "dtype": str(model.dtype).removeprefix("torch."),
        **sampling_in_force(config, processors),
        "eos_token_id": config.eos_token_id,
        "seed": torch.initial_seed(),
        "threads": torch.get_num_threads(),
        "device": str(model.device),
        "device_map": {part: str(where) for part, where in (getattr(model, "hf_device_map", None) or {}).items()},
        "allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "allocator": next(filter(None, map(os.environ.get, ALLOCATOR)), None),
    }


def sampling_in_force(config: Any, processors: Iterable[Any]) -> dict[str, Any]:
    """Sampling settings that the logits processors apply; a setting that none of them applies is off."""
    if not config.do_sample:
        return {"do_sample": False, "temperature": 0.0}
    found = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
    for processor in processors:
        found |= {name: getattr(processor, name) for name in found if hasattr(processor, name)}
    return found


def options_in_force(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Values in force of the options to `from_pretrained`, for those that the model's configuration contains."""
    known = {"attn_implementation": model.config._attn_implementation, **model.config.to_dict()}
    return {name: known[name] for name in options if name in known}


def _sdpa_backends() -> list[str]:
    """Kernels that SDPA may choose from."""
    import torch

    names = ("flash", "mem_efficient", "math", "cudnn")
    return [name for name in names if getattr(torch.backends.cuda, f"{name}_sdp_enabled")()]


def model_memory(model: Any, kv_pool_bytes: int) -> dict[str, Any]:
    """Bytes of weights, cache tensors and torch's allocator, and the id of the process that holds them."""
    from kvbench.engines.torch_memory import allocator_bytes, model_bytes

    return {"pid": os.getpid(), "weights": model_bytes(model), "kv_pool": kv_pool_bytes, **allocator_bytes()}


def synchronise(settings: EngineSettings) -> None:
    """Wait for the device."""
    if settings.device.startswith("cuda"):
        import torch

        for gpu in range(settings.gpus):
            torch.cuda.synchronize(gpu)


def release_memory(settings: EngineSettings) -> None:
    """Return memory that is no longer used to the device."""
    gc.collect()
    if settings.device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
