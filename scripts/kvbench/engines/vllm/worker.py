"""A vLLM worker extension: reads memory and times block tables where the tensors are (`worker_extension_cls`)."""

from __future__ import annotations

import os
from typing import Any

import torch

from kvbench.engines.torch_memory import allocator_bytes, model_bytes, reset_allocator_peak, storage_bytes
from kvbench.engines.vllm.kernels import Kernel, kernels_of
from kvbench.engines.vllm.upkeep import TablesTimer


class MeasuringExtension:
    """Methods that `LLM.collective_rpc` calls on each worker."""

    def kvbench_memory(self) -> dict[str, Any]:
        """Bytes of weights and KV tensors, the allocator's counters, the worker's process id."""
        runner = self.model_runner
        caches = [t for layer in runner.kv_caches for t in (layer if isinstance(layer, list | tuple) else [layer])]
        return {
            "pid": os.getpid(),
            "weights": model_bytes(runner.model),
            "kv_pool": storage_bytes(caches),
            "threads": torch.get_num_threads(),
            **allocator_bytes(),
            "graphs_measured": getattr(self, "graph_bytes", 0),
        }

    def kvbench_compile_s(self) -> float:
        """Seconds that compiling the model and capturing its CUDA graphs took."""
        return self.vllm_config.compilation_config.compilation_time + getattr(self, "graph_s", 0.0)

    def kvbench_kernels(self) -> list[Kernel]:
        """As `kernels_of`, in the worker."""
        return kernels_of(self.model_runner)

    def kvbench_begin_peak(self) -> None:
        """As `Engine.begin_peak`, in the worker."""
        reset_allocator_peak()

    def kvbench_time_tables(self) -> None:
        """Time the upkeep of block tables from now on."""
        self.tables_timer = TablesTimer(self.model_runner)

    def kvbench_tables(self) -> dict[str, list[int]]:
        """Stop timing; the tokens of each step, and the nanoseconds for its block tables."""
        return self.tables_timer.stop()
