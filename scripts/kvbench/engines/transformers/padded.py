"""Hugging Face Transformers with a contiguous KV cache, as efficient as `generate` allows."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TextIO

import numpy as np

from kvbench.engines.base import Completion, EngineSettings, Generated, LoadTimes, Margins, refuse_device
from kvbench.engines.client import Client
from kvbench.engines.names import COMPILED, is_static
from kvbench.engines.out_of_memory import OutOfMemory, is_out_of_memory
from kvbench.engines.recorded_passes import SCHEDULES_ONLY, RecordedPasses
from kvbench.engines.transformers.arriving import ArrivingBatches
from kvbench.engines.transformers.batches import batch_bytes, fixed_rows, longest_output, plan_batches
from kvbench.engines.transformers.cache_layers import first_layers
from kvbench.engines.transformers.compilation import compiled_so_far
from kvbench.engines.transformers.model import (
    PACKAGES,
    let_segments_grow,
    load_model,
    model_in_force,
    model_memory,
    options_in_force,
    release_memory,
    synchronise,
)
from kvbench.engines.transformers.padding import left_padded
from kvbench.kv.contiguous import BatchRecord
from kvbench.workload.read import Request


class TransformersEngine:
    """All `hf-` engines but `hf-continuous`: they differ in batches, cache and compilation."""

    packages = PACKAGES
    spare_blocks = 0

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.compiled = settings.engine in COMPILED
        self.compiled_in_warm_up: dict[str, Any] = {}
        self.model: Any = None
        self.first_layers: list[int] = []
        self.largest_batch = 0
        self.largest_cache_bytes = 0
        self.static_cache: Any = None
        self.recorded_passes = SCHEDULES_ONLY
        self.passes_done = 0

    def prepare(self, passes: RecordedPasses = SCHEDULES_ONLY) -> None:
        """A contiguous cache has no blocks to read."""
        self.recorded_passes = passes

    def load(self) -> LoadTimes:
        refuse_device(self.settings)
        if not is_static(self.settings.engine):
            let_segments_grow(self.settings)
        self.model, times = load_model(self.settings, self.settings.options)
        self.first_layers = first_layers(self.model.config)
        return times

    def generate(
        self,
        requests: Sequence[Request],
        tick: Callable[[int], None],
        terminal: TextIO | None,
        label: Callable[[str], None],
        due_ns: Sequence[int] | None = None,
    ) -> Generated:
        if due_ns is not None:
            with Client(due_ns) as client:
                arriving = ArrivingBatches(self.settings, requests, client)
                served = self._run_batches(arriving, 0, tick, label)
            return replace(served, completions=arriving.timed(served.completions))
        rows = fixed_rows(self.settings, requests)
        return self._run_batches(plan_batches(self.settings, requests), rows, tick, label)

    def _run_batches(
        self, plan: Iterable[list[Request]], rows: int, tick: Callable[[int], None], label: Callable[[str], None]
    ) -> Generated:
        """Serve batches one after another, each padded to `rows` rows (0: to none)."""
        completions: list[Completion] = []
        batches: list[BatchRecord] = []
        margins: list[Margins] = []
        hook_ns = 0
        for number, batch in enumerate(plan):
            label(f"batch-{number}")
            record, outputs, probe, gaps = self._run_batch(batch, max(rows - len(batch), 0), tick)
            completions.extend(
                Completion(r.request_id, ids, record.start_ns, probe.first_token_ns, record.end_ns)
                for r, ids in zip(batch, outputs, strict=True)
            )
            batches.append(record)
            margins.extend(gaps)
            hook_ns += probe.hook_ns
        return Generated(completions, batches, margins=margins, hook_s=hook_ns / 1e9)

    def limit_rows(self, rows: int) -> None:
        """Limit the rows of all batches from now on; passes are counted from the warm-up again."""
        self.settings = replace(self.settings, row_limit=rows)
        self.passes_done, self.compiled_in_warm_up, self.largest_batch, self.largest_cache_bytes = 0, {}, 0, 0

    def costliest_batch(self, requests: Sequence[Request], rows: int) -> list[Request]:
        """Of the batches of at most `rows` rows, the one with most rows; of equals, the one with the largest cache."""
        limited = replace(self.settings, row_limit=rows)
        return max(plan_batches(limited, requests), key=lambda batch: (len(batch), batch_bytes(limited, batch)))

    def _run_batch(self, batch: Sequence[Request], empty_rows: int, tick: Callable[[int], None]) -> tuple[Any, ...]:
        """Serve a batch to its end. Raises OutOfMemory after releasing the batch's memory."""
        try:
            return self._generate_batch(batch, empty_rows, tick)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # The error's frames keep the batch's tensors alive, so memory is released outside the except block.
        self.static_cache = None
        release_memory(self.settings)
        raise OutOfMemory(len(batch) + empty_rows)

    def _generate_batch(
        self, batch: Sequence[Request], empty_rows: int, tick: Callable[[int], None]
    ) -> tuple[Any, ...]:
        from transformers import LogitsProcessorList, StoppingCriteriaList

        from kvbench.engines.transformers.probe import MarginProbe, StepProbe

        start_ns = time.monotonic_ns()
        pad = self.model.generation_config.pad_token_id
        input_ids, attention_mask = left_padded(batch, empty_rows, pad, self.model.device)
        cache = self._cache(len(input_ids))
        record = self.passes_done not in self.recorded_passes.silent
        wanted = [r.output_tokens for r in batch]
        probe = StepProbe(cache, wanted, empty_rows, tick, input_ids.device, record=record, firsts=self.first_layers)
        margin = MarginProbe() if self.settings.margins else None
        with self._without_gradients():
            sequences = self.model.generate(
                input_ids=input_ids,
                attention_mask=attention_mask,
                past_key_values=cache,
                max_new_tokens=longest_output(batch),
                logits_processor=LogitsProcessorList([margin] if margin else []),
                stopping_criteria=StoppingCriteriaList([probe]),
                disable_compile=not self.compiled,
            )
        tokens = sequences[:, input_ids.shape[1] :].tolist()
        end_ns = time.monotonic_ns()
        outputs = [row[: r.output_tokens] for row, r in zip(tokens, batch, strict=False)]
        self.largest_batch = max(self.largest_batch, len(input_ids))
        noted = self._note(batch, empty_rows, probe, start_ns, end_ns)
        probe.cache = None
        self._release(cache)
        return noted, outputs, probe, _margins(batch, margin)

    def _without_gradients(self) -> Any:
        """Inference mode, which is cheaper, or for compiled code no_grad, which `generate` itself uses."""
        import torch

        return torch.no_grad() if self.compiled else torch.inference_mode()

    def _cache(self, rows: int) -> Any:
        """A cache for `rows` rows; a static cache is reused between batches of the same size."""
        from transformers import DynamicCache, StaticCache

        if not is_static(self.settings.engine):
            return DynamicCache(config=self.model.config)
        held = self.static_cache
        if held is None or held[0] != rows:
            self.static_cache = None
            self.static_cache = rows, StaticCache(config=self.model.config, max_cache_len=self.settings.max_length)
        else:
            with self._without_gradients():
                held[1].reset()
        return self.static_cache[1]

    def _release(self, cache: Any) -> None:
        """Drop a growing cache and make sure that its tensors are freed."""
        if is_static(self.settings.engine):
            return
        tensor = weakref.ref(cache.layers[0].keys)
        cache.layers.clear()
        if tensor() is not None:
            raise RuntimeError("the cache of a finished batch is still referenced")

    def _note(self, batch: Sequence[Request], empty_rows: int, probe: Any, start_ns: int, end_ns: int) -> BatchRecord:
        groups = self.settings.groups
        steps = np.array(probe.steps, np.int64).reshape(-1, 3 + len(groups))
        self.largest_cache_bytes = max(self.largest_cache_bytes, int(steps[:, 2].max(initial=0)))
        return BatchRecord(
            request_ids=tuple(r.request_id for r in batch),
            prompt_tokens=np.array([len(r.prompt_token_ids) for r in batch], np.int64),
            output_tokens=np.array([r.output_tokens for r in batch], np.int64),
            t_ns=steps[:, 0],
            rows=steps[:, 1],
            width=steps[:, 3:],
            tensor_bytes=steps[:, 2],
            start_ns=start_ns,
            end_ns=end_ns,
            empty_rows=empty_rows,
            groups=groups,
        )

    def collect(self, generated: Generated, repeat: int) -> Generated:
        self.passes_done = repeat + 1
        if self.compiled and not self.compiled_in_warm_up:
            self.compiled_in_warm_up = compiled_so_far()
        gc.collect()
        synchronise(self.settings)
        return generated

    def in_force(self) -> dict[str, Any]:
        cache = "StaticCache" if is_static(self.settings.engine) else "DynamicCache"
        found = {"cache": cache, **model_in_force(self.model)}
        found |= {"options": options_in_force(self.model, self.settings.options)}
        if self.compiled:
            found |= {"compiled_in_warm_up": self.compiled_in_warm_up, "compiled": compiled_so_far()}
        return found

    def capacity(self) -> dict[str, int | None]:
        return {
            "pool_bytes": self.largest_cache_bytes,
            "pool_slots": self.largest_cache_bytes // self.settings.slot_bytes,
            "blocks": None,
            "batch_rows": self.largest_batch,
        }

    def begin_peak(self) -> None:
        from kvbench.engines.torch_memory import reset_allocator_peak

        reset_allocator_peak()

    def memory(self) -> dict[str, Any]:
        return model_memory(self.model, self.largest_cache_bytes)

    def close(self) -> None:
        self.model = self.static_cache = None
        release_memory(self.settings)


def _margins(batch: Sequence[Request], probe: Any) -> list[Margins]:
    if probe is None:
        return []
    gaps = np.stack([gap.numpy() for gap in probe.gaps], axis=1)
    return [Margins(r.request_id, row[: r.output_tokens].tolist()) for r, row in zip(batch, gaps, strict=True)]
