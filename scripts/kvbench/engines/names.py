"""Names of the engines and how they differ; this module imports nothing heavy."""

from __future__ import annotations

# In the order of every table and figure.
ENGINES = (
    *("hf-sequential", "hf-batch", "hf-static", "hf-static-compiled", "hf-continuous"),
    *("vllm-sequential", "vllm-contiguous", "vllm-reserved", "vllm-reserved-power-of-two", "vllm-reserved-oracle"),
    *("vllm", "vllm-eager"),
)
# These run one request at a time, and only the sequential subset of a workload.
SEQUENTIAL = ("hf-sequential", "vllm-sequential")
# These are compared with a sequential engine, so they run that subset as well as the whole workload.
BESIDE_SEQUENTIAL = ("hf-batch", "vllm-contiguous", "vllm-reserved", "vllm")
# One block holds a whole request, so its KV cache is one contiguous range and nothing is paged.
ONE_BLOCK = ("vllm-contiguous",)
# These run as many requests as the pool holds reservations, so that their limit on requests is one of memory.
RESERVED_ROWS = ("vllm-contiguous", "vllm-reserved")
# A request is admitted when its reservation fits beside those of running requests, under this policy of `kv.policies`.
# `vllm-reserved`, which reserves max_length for each, only limits their number.
RESERVATION = {"vllm-reserved-power-of-two": "power-of-two", "vllm-reserved-oracle": "oracle"}
# Requests with a common prefix can share blocks. Only full blocks are shared, and that of ONE_BLOCK never is.
SHARING = ("hf-continuous", "vllm-sequential", "vllm-reserved", *RESERVATION, "vllm", "vllm-eager")
# Decoding is compiled.
COMPILED = ("hf-static-compiled",)
# The parity gate compares all engines with this one.
REFERENCE = "hf-batch"
# Engines that can run on several GPUs: vLLM splits every layer, Transformers gives each GPU some of the layers.
SEVERAL_GPUS = (
    *("hf-sequential", "hf-batch", "hf-static"),
    *("vllm-sequential", "vllm-contiguous", "vllm-reserved", *RESERVATION, "vllm", "vllm-eager"),
)
# The engine whose run provides a benchmark's requests and settings, by kind of benchmark.
PEER_SERVE = "peer-serve"  # it needs a run with arrivals, the others one without
BENCHMARKED = {"peer-vllm": "vllm", "peer-hf": "hf-batch", PEER_SERVE: "vllm", "recording": "vllm"}
# Why an engine is refused where requests arrive over time.
NOT_SERVING = {
    "hf-static-compiled": "its batches follow the arrivals, and each new size would be compiled while it is timed; use "
    "hf-static"
}
# Why an engine is refused on a CPU.
CUDA_ONLY = {
    "hf-static-compiled": "compiled decoding uses CUDA graphs; use hf-static",
    "vllm-eager": "on a CPU vllm itself runs without graphs and compilation; use vllm",
}
# Library options that kvbench sets for all engines, and the key of config.yaml that determines each, if any.
VLLM_SHARED = {
    "model": "models",
    "dtype": "models.<name>.dtype",
    "seed": "seed",
    "max_model_len": "max_length",
    "block_size": "block_size",
    "num_gpu_blocks_override": "kv_budget_mib",
    "kv_cache_memory_bytes": "kv_budget_mib",
    "kv_cache_dtype": "kv_dtype",
    "tensor_parallel_size": "gpus",
    "enable_prefix_caching": "prefix_sharing",
} | dict.fromkeys(("generation_config", "disable_log_stats", "scheduler_cls", "worker_cls", "worker_extension_cls"), "")
TRANSFORMERS_SHARED = {
    "dtype": "models.<name>.dtype",
    "torch_dtype": "models.<name>.dtype",
    "device_map": "device",
    "max_memory": "gpus",
    "page_size": "block_size",
    "num_blocks": "kv_budget_mib",
    "allow_block_sharing": "prefix_sharing",
} | dict.fromkeys(("use_async_batching", "cpu_offload_space", "scheduler_type"), "")


def shared_setting(engine: str, option: str) -> str | None:
    """Where to set what all engines share, in words, empty where nowhere; None for an option of the engine's own."""
    key = (VLLM_SHARED if engine.startswith("vllm") else TRANSFORMERS_SHARED).get(option)
    return f"it follows {key}" if key else key


def is_static(engine: str) -> bool:
    """Whether the engine reserves the maximum length for every row of a contiguous cache."""
    return engine.startswith("hf-static")


def is_paged(engine: str) -> bool:
    """Whether the engine's cache is made of blocks."""
    return engine.startswith("vllm") or engine == "hf-continuous"
