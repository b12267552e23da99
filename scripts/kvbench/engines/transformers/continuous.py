"""Transformers' own continuous batching: its paged cache and scheduler, under our budget."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TextIO

from kvbench.engines.base import Completion, EngineSettings, Generated, LoadTimes, refuse_options
from kvbench.engines.client import Client
from kvbench.engines.recorded_passes import SCHEDULES_ONLY, RecordedPasses
from kvbench.engines.transformers.continuous_options import batching_options, known_options
from kvbench.engines.transformers.model import (
    PACKAGES,
    load_model,
    model_in_force,
    model_memory,
    options_in_force,
    release_memory,
    synchronise,
)
from kvbench.errors import UserError
from kvbench.workload.read import Request

NO_END_OF_SEQUENCE = -1
CLOSE_TIMEOUT_S = 60
SPARE_SECTORS = 2  # padding is written to and read from these


class ContinuousEngine:
    """`hf-continuous`: one manager, whose thread serves all passes and idles between them."""

    packages = PACKAGES
    spare_blocks = 0  # known once the pool is made

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.model: Any = None
        self.manager: Any = None
        self.recorder: Any = None
        self.passes_done = 0
        self.recorded_passes = SCHEDULES_ONLY

    def prepare(self, passes: RecordedPasses = SCHEDULES_ONLY) -> None:
        self.recorded_passes = passes

    def load(self) -> LoadTimes:
        begin = time.monotonic()
        known = known_options()
        checked_s = time.monotonic() - begin  # imports Transformers
        own = {name: value for name, value in self.settings.options.items() if name not in known}
        self.model, times = load_model(self.settings, own)
        begin = time.monotonic()
        try:
            self._start()
        except (TypeError, ValueError) as error:
            refuse_options(self.settings, "Transformers", error)
            raise
        synchronise(self.settings)
        return replace(times, import_s=checked_s + times.import_s, load_s=times.load_s + time.monotonic() - begin)

    def _start(self) -> None:
        """Make the pool and start the library's thread."""
        from transformers import ContinuousBatchingConfig

        from kvbench.engines.transformers.scheduler import PagedPool, Recorder

        generation = copy.deepcopy(self.model.generation_config)
        generation.eos_token_id = NO_END_OF_SEQUENCE
        self.manager = self.model.init_continuous_batching(
            generation_config=generation,
            continuous_batching_config=ContinuousBatchingConfig(**batching_options(self.settings)),
        )
        try:
            self.manager.warmup()  # makes the pool, and captures graphs where there are any
        except MemoryError as error:
            raise UserError(
                f"config.yaml: kv_budget_mib: not enough memory for hf-continuous beside its KV pool ({error}); "
                "lower kv_budget_mib or engines.hf-continuous.max_batch_tokens"
            ) from None
        self._refuse_other_pages()
        pool = PagedPool(self._cache, self.settings.paging)
        self._refuse_other_pools(pool.total_blocks)
        self.spare_blocks = SPARE_SECTORS * pool.sector_pages
        self.recorder = Recorder(pool, self.recorded_passes.stride)
        self.manager.batch_processor.scheduler.recorder = self.recorder
        self.manager.start()

    def _refuse_other_pages(self) -> None:
        """UserError if a token takes other bytes in the library's pool than the model's cache needs."""
        settings = self.settings
        needed = sorted(group.pages * settings.block_bytes for group in settings.paging.groups)
        made = sorted(allocator.bytes_per_block for allocator in self._cache.cache_allocators.values())
        if made != needed:
            found, wanted = (" and ".join(f"{b // settings.block_size}" for b in sizes) for sizes in (made, needed))
            raise UserError(
                f"config.yaml: runs: hf-continuous allocates {found} bytes per token, but the model's cache needs "
                f"{wanted}, because it reads another cache from the configuration; remove it from this model's runs"
            )

    def _refuse_other_pools(self, made: int) -> None:
        """UserError if the pool is not the budget; with several kinds of layers it is made of whole sectors."""
        asked, several = self.settings.budget_blocks, len(self.settings.groups) > 1
        if made != asked and not (several and 0 < made < asked):
            raise UserError(
                f"config.yaml: kv_budget_mib: Transformers allocated {made} KV blocks instead of {asked}; change it or "
                "remove hf-continuous from this model's runs"
            )

    @property
    def _cache(self) -> Any:
        return self.manager.batch_processor.cache

    def generate(
        self,
        requests: Sequence[Request],
        tick: Callable[[int], None],
        terminal: TextIO | None,
        label: Callable[[str], None],
        due_ns: Sequence[int] | None = None,
    ) -> Generated:
        number = self.passes_done
        passes = self.recorded_passes
        self.recorder.begin_pass(record=number not in passes.silent, read_blocks=number in passes.blocks)

        def submit(place: int) -> None:
            self.manager.add_request(
                list(requests[place].prompt_token_ids),
                request_id=str(place),
                max_new_tokens=requests[place].output_tokens,
                record_timestamps=True,
            )

        if due_ns is not None:
            with Client(due_ns, submit) as client:
                outputs = self._outputs(len(requests), tick, client)
            return Generated([_timed(c, client, n) for n, c in enumerate(self._completions(requests, outputs))])
        with self.manager.pause():  # otherwise the first step would not see all requests
            for place in range(len(requests)):
                submit(place)
        return Generated(self._completions(requests, self._outputs(len(requests), tick)))

    def _completions(self, requests: Sequence[Request], outputs: dict[str, Any]) -> list[Completion]:
        return [self._completion(r, outputs[str(place)]) for place, r in enumerate(requests)]

    def _outputs(self, requests: int, tick: Callable[[int], None], client: Client | None = None) -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        while len(outputs) < requests:
            if client is not None and client.error is not None:
                raise client.error
            output = self.manager.get_result(timeout=1)
            if output is None and not self.manager.is_running():
                raise RuntimeError(f"the generation thread ended: {self.manager.background_thread_status.fatal_error}")
            if output is not None:
                if output.error is not None:
                    raise RuntimeError(f"request {output.request_id} failed: {output.error}")
                outputs[output.request_id] = output
                tick(len(output.generated_tokens))
        return outputs

    def _completion(self, request: Request, output: Any) -> Completion:
        """The library takes times with perf_counter, which is CLOCK_MONOTONIC on Linux."""
        start_s, finish_s = output.lifespan
        first_token_s = self.recorder.first_token_s[output.request_id]
        token_ns = [_ns(s) for s in output.timestamps]
        return Completion(
            request.request_id,
            list(output.generated_tokens),
            _ns(min(start_s, first_token_s)),  # a preempted request reports its restart
            _ns(first_token_s),
            _ns(finish_s),
            token_ns=token_ns if len(token_ns) == len(output.generated_tokens) else None,  # a restart loses the first
        )

    def collect(self, generated: Generated, repeat: int) -> Generated:
        self.passes_done = repeat + 1
        schedule = self.recorder.schedule(self.manager.batch_processor.scheduler)
        with self.manager.pause():  # the next pass must not find blocks of this one
            self._cache.evict_cached_blocks()
        if schedule is None:
            return generated
        found = zip(generated.completions, schedule.preemptions(), schedule.cached_tokens(), strict=True)
        completions = [replace(c, preemptions=int(n), cached_tokens=int(cached)) for c, n, cached in found]
        return replace(generated, completions=completions, schedule=schedule, hook_s=schedule.hook_s)

    def in_force(self) -> dict[str, Any]:
        config, processor = self.manager.continuous_batching_config, self.manager.batch_processor
        names = (*batching_options(self.settings), "max_requests_per_batch", "use_cuda_graph", "max_memory_percent")
        options = options_in_force(self.model, self.settings.options)
        processors = self.manager.logit_processor.logits_processor
        return {
            **model_in_force(self.model, processors),
            "cache": type(processor.cache).__name__,
            "scheduler": type(processor.scheduler).__mro__[1].__name__,
            "safety_margin": processor.scheduler.safety_margin,
            "block_size": self.recorder.pool.block_size,
            "logits_processors": [type(p).__name__ for p in processors],
            "options": options | {name: getattr(config, name) for name in names},
        }

    def capacity(self) -> dict[str, int | None]:
        blocks = self.recorder.pool.total_blocks
        return {
            "pool_bytes": blocks * self.settings.block_bytes,
            "pool_slots": blocks * self.settings.block_bytes // self.settings.slot_bytes,
            "blocks": blocks,
            "batch_rows": self.manager.continuous_batching_config.max_requests_per_batch,
        }

    def begin_peak(self) -> None:
        from kvbench.engines.torch_memory import reset_allocator_peak

        reset_allocator_peak()

    def memory(self) -> dict[str, Any]:
        """The cache's tensor includes `spare_blocks` beyond the pool."""
        from kvbench.engines.torch_memory import storage_bytes

        return model_memory(self.model, storage_bytes([self._cache.cache_tensor]))

    def close(self) -> None:
        """Stop the thread, whatever it is doing, before the model is released."""
        manager, self.manager = self.manager, None
        if manager is not None:
            if manager.is_running():
                manager.stop(block=True, timeout=CLOSE_TIMEOUT_S, hard_stop=True)
            manager.destroy()
            manager.batch_processor = None
        self.model = self.recorder = None
        release_memory(self.settings)


def _timed(completion: Completion, client: Client, number: int) -> Completion:
    """A completion with the times of its client; the library's thread takes requests unseen."""
    return replace(completion, due_ns=client.due_ns[number], submitted_ns=client.submitted_ns[number])


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
