"""vLLM's engine arguments, common to all variants or specific to one, and the environment of its process."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from kvbench.engines.base import EngineSettings, refuse_options
from kvbench.engines.names import RESERVATION
from kvbench.engines.vllm.cache_types import refuse_cpu_cache
from kvbench.errors import UserError
from kvbench.kv.groups import MLA, LayerGroup, as_full

SCRIPTS = Path(__file__).resolve().parents[3]


def prepare_process(settings: EngineSettings) -> None:
    """Set what vLLM reads from the environment at import: no usage statistics, no hub, our scheduler importable."""
    load_no_plugins()
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


def load_no_plugins() -> None:
    """Plugins of packages installed beside ours would change what is measured; insecure serialization takes pickles."""
    os.environ["VLLM_PLUGINS"] = ""
    os.environ.pop("VLLM_ALLOW_INSECURE_SERIALIZATION", None)


def engine_arguments(settings: EngineSettings) -> dict[str, Any]:
    """vLLM's engine arguments; the user's options override ours, except those that define the variant."""
    ours: dict[str, Any] = {
        "model": settings.model_path,
        "dtype": settings.dtype,
        "seed": settings.seed,
        "max_model_len": settings.max_length,
        "block_size": settings.block_size,
        "num_gpu_blocks_override": settings.budget_blocks + 1,  # block 0 is vLLM's null block
        # Otherwise vLLM would plan for all of the device's memory.
        "kv_cache_memory_bytes": (settings.budget_blocks + 1) * settings.block_bytes // settings.gpus,
        "kv_cache_dtype": settings.kv_dtype,
        "tensor_parallel_size": settings.gpus,
        "enable_prefix_caching": settings.prefix_sharing,
        "generation_config": "vllm",
        "trust_remote_code": False,
        "disable_log_stats": False,  # request times come with the statistics
        "skip_tokenizer_init": True,  # token ids go in and come out
        "load_format": "dummy" if settings.random_weights else "safetensors",
        "enforce_eager": not settings.device.startswith("cuda"),
        "scheduler_cls": "kvbench.engines.vllm.scheduler.recording_scheduler",
        "worker_extension_cls": "kvbench.engines.vllm.worker.MeasuringExtension",
    }
    if settings.device.startswith("cuda"):
        ours["worker_cls"] = "kvbench.engines.vllm.gpu_worker.GraphMeasuringWorker"
        # With kv_cache_memory_bytes it plans nothing, but its default makes vLLM refuse a GPU that others use.
        ours["gpu_memory_utilization"] = 0.01
    elif any(group.kind == MLA for group in settings.groups):
        # The kernel that every CPU has. With AMX vLLM prefers another, which takes no float32 and other blocks.
        ours["attention_backend"] = "CPU_MLA"
    return ours | _known_options(settings) | own_arguments(settings)


def served_groups(settings: EngineSettings, arguments: dict[str, Any]) -> tuple[LayerGroup, ...]:
    """What vLLM caches for a token on all GPUs together, by its own reading of the model.

    It may differ from Transformers: with Falcon's `new_decoder_architecture` Transformers stores a copy of each KV head
    for every query head, vLLM a single one. With more GPUs than KV heads, each GPU holds one head, and each holds the
    latent vector of MLA.

    Raises:
        UserError: the installed vLLM cannot serve the model.
    """
    from vllm.engine.arg_utils import EngineArgs

    try:
        model = EngineArgs(**arguments).create_model_config()
    except (ValueError, NotImplementedError, AssertionError) as error:
        refuse_options(settings, "vLLM", error)
        raise UserError(
            f"config.yaml: runs: vLLM cannot serve the model in {settings.model_path} ({_reason(error)}); remove "
            f"{settings.engine} from its runs, or use another model"
        ) from error
    if settings.device == "cpu":
        refuse_cpu_cache(settings, model.get_head_size(), latent=model.use_mla)
    heads = settings.gpus * max(1, model.get_total_num_kv_heads() // settings.gpus)
    elements = settings.gpus * model.get_head_size() if model.use_mla else 2 * heads * model.get_head_size()
    if len({group.elements for group in settings.groups}) > 1:
        raise UserError(
            f"config.yaml: runs: the layers of the model in {settings.model_path} cache tokens of different sizes "
            f"({', '.join(str(group.elements) for group in settings.groups)} elements), for which vLLM pads pages in "
            f"ways that kvbench does not account for; remove {settings.engine} from its runs"
        )
    groups = tuple(replace(group, elements=elements) for group in settings.groups)
    return as_full(groups) if settings.options.get("disable_hybrid_kv_cache_manager") else groups


def _reason(error: Exception) -> str:
    """The message of a vLLM validation error, without the text that pydantic adds."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith(("Value error, ", "Assertion failed, "))), lines[0])
    return told.partition("error, ")[2].partition(" [type=")[0] or told


def _known_options(settings: EngineSettings) -> dict[str, Any]:
    from dataclasses import fields

    from vllm.engine.arg_utils import EngineArgs

    known = {field.name for field in fields(EngineArgs)}
    if settings.engine in RESERVATION and "max_num_active_seqs" not in known:
        raise UserError(
            f"config.yaml: runs: {settings.engine} sets vLLM's limit on active requests (max_num_active_seqs), which "
            f"the installed vLLM lacks; install the version in envs/, or remove {settings.engine}"
        )
    for name in settings.options:
        if name not in known:
            raise UserError(
                f"config.yaml: engines.{settings.engine}.{name}: the installed vLLM has no engine argument of this "
                "name; remove it or correct the name"
            )
        if name in own_arguments(settings):
            raise UserError(
                f"config.yaml: engines.{settings.engine}.{name}: this option defines the engine and cannot be changed; "
                "remove it, or use the engine vllm"
            )
    return settings.options


def own_arguments(settings: EngineSettings) -> dict[str, Any]:
    """The engine arguments in which a variant differs from `vllm`."""
    if settings.engine == "vllm-sequential":
        return {"max_num_seqs": 1}
    if settings.engine in ("vllm-contiguous", "vllm-reserved"):
        return {"max_num_seqs": reserved_requests(settings)}
    if settings.engine in RESERVATION:
        reserved_requests(settings)  # its scheduler limits admission, but no reservation is longer than max_length
        return {}
    return {"enforce_eager": True} if settings.engine == "vllm-eager" else {}


def step_of_vllm(settings: EngineSettings, arguments: dict[str, Any]) -> dict[str, Any]:
    """For a variant with fewer requests at a time: the tokens per step and the CUDA graph sizes of `vllm` itself.

    By default vLLM derives both from `max_num_seqs`: graphs of at most twice as many tokens, and steps of at most
    `max_num_seqs` full-length requests. The variant would then differ from `vllm` in more than admission: its steps
    with prefill would run without graphs, and its model would be compiled for other lengths.
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

    No step of the variant has more than `max_num_seqs` · `max_length` tokens. To capture a larger graph, vLLM 0.32
    would invent requests longer than `max_length` and read past the end of its block tables
    (CUBLAS_STATUS_EXECUTION_FAILED on an H100). The largest step and the largest decode step get sizes of their own,
    as in vLLM's default sizes: vLLM pads a batch to the next size, and captures no full decode graph for more rows
    than `max_num_seqs`
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
