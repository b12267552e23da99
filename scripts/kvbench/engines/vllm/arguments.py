"""vLLM's engine arguments: what is equal for all of its variants, what sets each apart, what the process needs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kvbench.engines.base import EngineSettings, refuse_options
from kvbench.errors import UserError
from kvbench.model.slots import itemsize

SCRIPTS = Path(__file__).resolve().parents[3]


def prepare_process(settings: EngineSettings) -> None:
    """Environment that vLLM reads at import: no usage statistics, no hub, the engine where it can be recorded."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would override the budget
    if settings.device == "cpu":
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    if settings.dtype == "float32":  # no TF32: neither in Triton's attention nor in cuBLAS
        os.environ["TRITON_F32_DEFAULT"] = "ieee"
        os.environ["VLLM_FLOAT32_MATMUL_PRECISION"] = "highest"
    path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    if str(SCRIPTS) not in path:  # the engine's own process imports our scheduler
        os.environ["PYTHONPATH"] = os.pathsep.join([str(SCRIPTS), *path])


def engine_arguments(settings: EngineSettings) -> dict[str, Any]:
    """vLLM's engine arguments for these settings, the user's options last but for what makes the variant."""
    ours: dict[str, Any] = {
        "model": settings.model_path,
        "dtype": settings.dtype,
        "seed": settings.seed,
        "max_model_len": settings.max_length,
        "block_size": settings.block_size,
        "num_gpu_blocks_override": settings.budget_blocks + 1,  # block 0 is vLLM's null block
        # Else it would plan for all of the device's memory.
        "kv_cache_memory_bytes": (settings.budget_blocks + 1)
        * settings.block_size
        * settings.slot_bytes
        // settings.gpus,
        "tensor_parallel_size": settings.gpus,
        "enable_prefix_caching": settings.prefix_sharing,
        "generation_config": "vllm",
        "disable_log_stats": False,  # request times come with the statistics
        "skip_tokenizer_init": True,  # token ids go in and come out
        "load_format": "dummy" if settings.random_weights else "safetensors",
        "enforce_eager": not settings.device.startswith("cuda"),
        "scheduler_cls": "kvbench.engines.vllm.scheduler.recording_scheduler",
        "worker_extension_cls": "kvbench.engines.vllm.worker.MemoryExtension",
    }
    if settings.device.startswith("cuda"):
        ours["worker_cls"] = "kvbench.engines.vllm.gpu_worker.GraphMeasuringWorker"
        # With kv_cache_memory_bytes it plans nothing, but would refuse by default a card that others use (shared_gpu).
        ours["gpu_memory_utilization"] = 0.01
    return ours | _known_options(settings) | own_arguments(settings)


def served_slot_bytes(settings: EngineSettings, arguments: dict[str, Any]) -> int:
    """Bytes that vLLM takes for K and V of one token in every layer, on all GPUs together, as it reads the model.

    Not always what Transformers takes: of Falcon's `new_decoder_architecture` Transformers stores each KV head once for
    every query head, vLLM once. Where there are more GPUs than KV heads, each GPU holds one head.

    Raises:
        UserError: the installed vLLM cannot serve the model.
    """
    from vllm.engine.arg_utils import EngineArgs

    try:
        model = EngineArgs(**arguments).create_model_config()
    except (ValueError, NotImplementedError) as error:
        refuse_options(settings, "vLLM", error)
        raise UserError(
            f"config.yaml: runs: vLLM cannot serve the model in {settings.model_path} ({_reason(error)}); leave "
            f"{settings.engine} out of its runs, or take another model"
        ) from error
    heads = settings.gpus * max(1, model.get_total_num_kv_heads() // settings.gpus)
    layers = model.get_total_num_hidden_layers()
    return 2 * layers * heads * model.get_head_size() * itemsize(settings.dtype)


def _reason(error: Exception) -> str:
    """What a validation error of vLLM's says, without pydantic's frame around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith(("Value error, ", "Assertion failed, "))), lines[0])
    return told.partition("error, ")[2].partition(" [type=")[0] or told


def _known_options(settings: EngineSettings) -> dict[str, Any]:
    from dataclasses import fields

    from vllm.engine.arg_utils import EngineArgs

    known = {field.name for field in fields(EngineArgs)}
    for name in settings.options:
        if name not in known:
            raise UserError(
                f"config.yaml: engines.{settings.engine}.{name}: no engine argument of the installed vLLM; "
                "remove it or correct its name"
            )
        if name in own_arguments(settings):
            raise UserError(
                f"config.yaml: engines.{settings.engine}.{name}: what makes this engine; remove it or use vllm"
            )
    return settings.options


def own_arguments(settings: EngineSettings) -> dict[str, Any]:
    """The engine arguments that set a variant apart from `vllm`."""
    if settings.engine == "vllm-sequential":
        return {"max_num_seqs": 1}
    if settings.engine == "vllm-reserved":
        return {"max_num_seqs": reserved_requests(settings)}
    return {"enforce_eager": True} if settings.engine == "vllm-eager" else {}


def step_of_vllm(settings: EngineSettings, arguments: dict[str, Any]) -> dict[str, Any]:
    """For a variant with fewer requests at once: the tokens a step and the CUDA graphs that `vllm` itself gets.

    By default vLLM derives both from `max_num_seqs`: graphs for at most twice as many tokens, and a step no longer than
    all requests together. So the two would differ in more than admission: steps that also prefill would run without
    graphs in the variant alone, and its model be compiled for other lengths.
    """
    if "max_num_seqs" not in own_arguments(settings) or not settings.device.startswith("cuda"):
        return {}
    from vllm.engine.arg_utils import EngineArgs
    from vllm.usage.usage_lib import UsageContext

    paged = {name: value for name, value in arguments.items() if name != "max_num_seqs"}
    config = EngineArgs(**paged).create_engine_config(UsageContext.LLM_CLASS)
    sizes = graph_sizes(
        config.compilation_config.cudagraph_capture_sizes, arguments["max_num_seqs"], settings.max_length
    )
    return {
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
        "compilation_config": {"cudagraph_capture_sizes": sizes},
    }


def graph_sizes(sizes: Iterable[int], max_num_seqs: int, max_length: int) -> list[int]:
    """Sizes of `vllm`'s graphs, in tokens, for a variant with at most `max_num_seqs` requests of `max_length`.

    No step of the variant has more tokens than these requests together, and capturing a larger one would make requests
    beyond `max_length` up, whose blocks vLLM 0.32 reads past the end of its tables (CUBLAS_STATUS_EXECUTION_FAILED on
    an H100). The two largest steps are sizes of their own, as vLLM makes them for sizes of its own choice: it pads a
    batch up to the next size, and captures no graph of a whole decoding step for more rows than `max_num_seqs`
    (https://github.com/vllm-project/vllm/pull/57355).
    """
    sizes, most = set(sizes), max_num_seqs * max_length
    largest_step = {most} if most < max(sizes, default=0) else set()
    return sorted({size for size in sizes if size <= most} | largest_step | {max_num_seqs})


def reserved_requests(settings: EngineSettings) -> int:
    """Requests that the budget holds when each reserves the maximum length; UserError if not even one."""
    if settings.reserved_rows < 1:
        raise UserError(
            f"config.yaml: kv_budget_mib: {settings.budget_bytes / 2**20:.1f} MiB does not hold one request of "
            f"max_length ({settings.row_bytes / 2**20:.1f} MiB); raise kv_budget_mib or lower max_length"
        )
    return settings.reserved_rows
