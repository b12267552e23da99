"""Hugging Face Transformers with a contiguous KV cache, as good as `generate` allows."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import numpy as np

from kvbench.engines.base import Completion, EngineSettings, Generated, LoadTimes, Margins
from kvbench.engines.hf_batches import is_static, longest_output, longest_prompt, plan_batches
from kvbench.engines.runtime_memory import runtime_bytes
from kvbench.errors import UserError
from kvbench.kv.contiguous import BatchRecord
from kvbench.workload.read import Request


class TransformersEngine:
    """`hf-sequential`, `hf-batch` and `hf-static`: they differ in how requests are batched and in the cache."""

    packages = ("torch", "transformers", "tokenizers", "safetensors", "accelerate", "numpy")

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.model: Any = None
        self.largest_batch = 0
        self.largest_cache_bytes = 0
        self.static_cache: Any = None
        self.silent_passes: frozenset[int] = frozenset()
        self.passes_done = 0

    def prepare(self, block_passes: Sequence[int] = (), silent_passes: Sequence[int] = ()) -> None:
        """A contiguous cache has no blocks to read."""
        self.silent_passes = frozenset(silent_passes)

    def load(self) -> LoadTimes:
        begin = time.monotonic()
        import torch
        import transformers  # noqa: F401

        imported, imported_bytes = time.monotonic(), runtime_bytes(self.settings.device)
        torch.manual_seed(self.settings.seed)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self.model = self._load_model().eval()
        self._settle_generation_config()
        self._synchronise()
        return LoadTimes(imported - begin, time.monotonic() - imported, imported_bytes)

    def _load_model(self) -> Any:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        options = {"attn_implementation": "sdpa", "dtype": getattr(torch, self.settings.dtype), **self.settings.options}
        try:
            if self.settings.random_weights:
                config = AutoConfig.from_pretrained(self.settings.model_path, local_files_only=True)
                with torch.device(self.settings.device):
                    return AutoModelForCausalLM.from_config(config, **options)
            return AutoModelForCausalLM.from_pretrained(
                self.settings.model_path,
                local_files_only=True,
                use_safetensors=True,
                device_map=self.settings.device,
                **options,
            )
        except TypeError as error:
            raise UserError(
                f"config.yaml: engines.{self.settings.engine}: Transformers does not take one of "
                f"{sorted(self.settings.options)} ({error}); remove it"
            ) from None

    def _settle_generation_config(self) -> None:
        """The model's own defaults (sampling, end of sequence) must not creep in."""
        from transformers import GenerationConfig

        pad = self.model.generation_config.pad_token_id
        self.pad_token_id = 0 if pad is None else pad
        sampled = self.settings.temperature > 0
        self.model.generation_config = GenerationConfig(
            pad_token_id=self.pad_token_id,
            eos_token_id=None,
            use_cache=True,
            do_sample=sampled,
            **({"temperature": self.settings.temperature, "top_p": self.settings.top_p, "top_k": 0} if sampled else {}),
        )

    def generate(
        self,
        requests: Sequence[Request],
        tick: Callable[[int], None],
        terminal: TextIO | None,
        label: Callable[[str], None],
    ) -> Generated:
        completions: list[Completion] = []
        batches: list[BatchRecord] = []
        margins: list[Margins] = []
        hook_ns = 0
        for number, batch in enumerate(plan_batches(self.settings, requests)):
            label(f"batch-{number}")
            record, outputs, probe, gaps = self._run_batch(batch, tick)
            completions.extend(
                Completion(r.request_id, ids, record.start_ns, probe.first_token_ns, record.end_ns)
                for r, ids in zip(batch, outputs, strict=True)
            )
            batches.append(record)
            margins.extend(gaps)
            hook_ns += probe.hook_ns
        return Generated(completions, batches, margins=margins, hook_s=hook_ns / 1e9)

    def _run_batch(self, batch: Sequence[Request], tick: Callable[[int], None]) -> tuple[Any, ...]:
        import torch
        from transformers import LogitsProcessorList, StoppingCriteriaList

        from kvbench.engines.hf_probe import MarginProbe, StepProbe

        start_ns = time.monotonic_ns()
        input_ids, attention_mask = self._padded(batch)
        cache = self._cache(len(batch))
        record = self.passes_done not in self.silent_passes
        probe = StepProbe(cache, [r.output_tokens for r in batch], tick, input_ids.device, record=record)
        margin = MarginProbe() if self.settings.margins else None
        with torch.inference_mode():
            sequences = self.model.generate(
                input_ids=input_ids,
                attention_mask=attention_mask,
                past_key_values=cache,
                max_new_tokens=longest_output(batch),
                logits_processor=LogitsProcessorList([margin] if margin else []),
                stopping_criteria=StoppingCriteriaList([probe]),
                disable_compile=True,
            )
        tokens = sequences[:, input_ids.shape[1] :].tolist()
        end_ns = time.monotonic_ns()
        outputs = [row[: r.output_tokens] for row, r in zip(tokens, batch, strict=True)]
        self.largest_batch = max(self.largest_batch, len(batch))
        noted = self._note(batch, probe, start_ns, end_ns)
        probe.cache = None
        self._release(cache)
        return noted, outputs, probe, _margins(batch, margin)

    def _padded(self, batch: Sequence[Request]) -> tuple[Any, Any]:
        """Left-padded input ids and attention mask, both (B, max p)."""
        import torch

        width = longest_prompt(batch)
        ids = [[self.pad_token_id] * (width - len(r.prompt_token_ids)) + list(r.prompt_token_ids) for r in batch]
        mask = [[0] * (width - len(r.prompt_token_ids)) + [1] * len(r.prompt_token_ids) for r in batch]
        device = self.model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _cache(self, rows: int) -> Any:
        """A cache for `rows` rows; the static one is kept between batches of the same size, as an expert would."""
        import torch
        from transformers import DynamicCache, StaticCache

        if not is_static(self.settings.engine):
            return DynamicCache(config=self.model.config)
        held = self.static_cache
        if held is None or held[0] != rows:
            self.static_cache = None
            self.static_cache = rows, StaticCache(config=self.model.config, max_cache_len=self.settings.max_length)
        else:
            with torch.inference_mode():
                held[1].reset()
        return self.static_cache[1]

    def _release(self, cache: Any) -> None:
        """Drop a growing cache and make sure that its tensors are gone."""
        if is_static(self.settings.engine):
            return
        tensor = weakref.ref(cache.layers[0].keys)
        cache.layers.clear()
        if tensor() is not None:
            raise RuntimeError("the cache of a finished batch is still referenced")

    def _note(self, batch: Sequence[Request], probe: Any, start_ns: int, end_ns: int) -> BatchRecord:
        steps = np.array(probe.steps, np.int64).reshape(-1, 4)
        self.largest_cache_bytes = max(self.largest_cache_bytes, int(steps[:, 3].max(initial=0)))
        return BatchRecord(
            request_ids=tuple(r.request_id for r in batch),
            prompt_tokens=np.array([len(r.prompt_token_ids) for r in batch], np.int64),
            output_tokens=np.array([r.output_tokens for r in batch], np.int64),
            t_ns=steps[:, 0],
            rows=steps[:, 1],
            width=steps[:, 2],
            tensor_bytes=steps[:, 3],
            start_ns=start_ns,
            end_ns=end_ns,
        )

    def collect(self, generated: Generated, repeat: int) -> Generated:
        self.passes_done = repeat + 1
        gc.collect()
        self._synchronise()
        return generated

    def in_force(self) -> dict[str, Any]:
        import torch

        config = self.model.generation_config
        return {
            "attn_implementation": self.model.config._attn_implementation,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "cache": "StaticCache" if is_static(self.settings.engine) else "DynamicCache",
            "do_sample": config.do_sample,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "top_k": config.top_k,
            "eos_token_id": config.eos_token_id,
            "threads": torch.get_num_threads(),
            "device": str(self.model.device),
            "allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        }

    def capacity(self) -> dict[str, int | None]:
        return {
            "pool_bytes": self.largest_cache_bytes,
            "pool_slots": self.largest_cache_bytes // self.settings.slot_bytes,
            "blocks": None,
            "batch_rows": self.largest_batch,
        }

    def memory(self) -> dict[str, Any]:
        import os

        from kvbench.engines.torch_memory import allocator_bytes, model_bytes

        return {
            "pid": os.getpid(),
            "weights": model_bytes(self.model),
            "kv_pool": self.largest_cache_bytes,
            **allocator_bytes(),
        }

    def close(self) -> None:
        self.model = self.static_cache = None
        gc.collect()
        if self.settings.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def _synchronise(self) -> None:
        if self.settings.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()


def _margins(batch: Sequence[Request], probe: Any) -> list[Margins]:
    if probe is None:
        return []
    gaps = np.stack([gap.numpy() for gap in probe.gaps], axis=1)
    return [Margins(r.request_id, row[: r.output_tokens].tolist()) for r, row in zip(batch, gaps, strict=True)]
