"""Options of the libraries that kvbench passes on; this module imports nothing heavy.

They change how an engine schedules, computes or reads plain weights. None can load code, read a file of its own choice
or open a connection. An option that a later version adds is refused until it stands here.
"""

from __future__ import annotations

# Arguments of vLLM's `EngineArgs`.
VLLM = frozenset(
    [
        # scheduling
        *("max_num_seqs", "max_num_active_seqs", "max_num_batched_tokens", "max_num_scheduled_tokens"),
        *("long_prefill_token_threshold", "long_prefill_token_threshold_adaptive", "enable_chunked_prefill"),
        *("scheduling_policy", "scheduler_reserve_full_isl", "prefill_schedule_interval", "watermark"),
        *("async_scheduling", "stream_interval"),
        # KV cache
        *("prefix_caching_hash_algo", "disable_hybrid_kv_cache_manager", "disable_sliding_window"),
        *("kv_cache_dtype_skip_layers", "kv_sharing_fast_prefill", "prefix_match_unit"),
        *("mamba_cache_dtype", "mamba_ssm_cache_dtype", "mamba_block_size", "mamba_cache_mode"),
        # computation
        *("enforce_eager", "compilation_config", "cudagraph_capture_sizes", "max_cudagraph_capture_size"),
        *("optimization_level", "performance_mode", "attention_backend", "attention_config", "kernel_config"),
        *("moe_backend", "linear_backend", "mamba_backend", "all2all_backend", "enable_expert_parallel"),
        *("disable_cascade_attn", "disable_custom_all_reduce", "enable_flashinfer_autotune", "use_fp64_gumbel"),
        # loading and memory
        *("load_format", "model_impl", "quantization", "max_parallel_loading_workers", "use_tqdm_on_load"),
        *("safetensors_load_strategy", "safetensors_prefetch_num_threads", "safetensors_prefetch_block_size"),
        *("gpu_memory_utilization", "cpu_offload_gb", "enable_sleep_mode", "enable_cumem_allocator"),
    ]
)
# Arguments of Transformers' `from_pretrained`.
TRANSFORMERS = frozenset(["attn_implementation", "experts_implementation", "low_cpu_mem_usage"])
# Fields of Transformers' `ContinuousBatchingConfig`.
CONTINUOUS = frozenset(
    [
        *("max_batch_tokens", "max_memory_percent", "max_requests_per_batch", "max_blocks_per_request"),
        *("use_cuda_graph", "max_cached_graphs", "q_padding_interval_size", "kv_padding_interval_size"),
        *("varlen_compile_config", "decode_compile_config", "default_compile_level", "use_default_compile_configs"),
        *("safety_margin", "seed", "auto_switch_to_flash", "cpu_offload_space_safety_threshold", "max_queue_size"),
        *("per_request_processors", "drop_unsupported_processors", "return_logprobs"),
        *("disable_nccl_graph_mixing", "cpu_group_timeout"),
    ]
)


def passed_on(engine: str) -> frozenset[str]:
    """The names of an engine's options."""
    if engine.startswith("vllm"):
        return VLLM
    return TRANSFORMERS | CONTINUOUS if engine == "hf-continuous" else TRANSFORMERS
