"""What a run has to do, and its engine's settings with every `auto` resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kvbench.engines.base import EngineSettings, reserved_slots
from kvbench.engines.names import ONE_BLOCK, REFERENCE
from kvbench.files import read_record
from kvbench.kv.groups import MLA
from kvbench.machine.cards import choose_cards
from kvbench.machine.nvml import Session
from kvbench.machine.threads import resolve_threads
from kvbench.measure.budget import kv_budget_bytes
from kvbench.model.record import Architecture, ModelRecord
from kvbench.model.slots import cache_itemsize, itemsize, resolve_dtype, token_bytes
from kvbench.workload.read import Request, read_workload

# Transformers needs no block size; on a CPU vLLM's kernels need a multiple of 32.
AUTO_BLOCK_SIZE = {"cpu": 32, "cuda": 16}
CPU_LATENT_BLOCK_SIZE = 16  # the only one of vLLM's CPU kernel for MLA


@dataclass(frozen=True)
class Order:
    """What to run: `settings` as `config.run_settings` returns them, and the input files."""

    settings: Mapping[str, Any]
    environment: Path
    model: Path
    workload: Path
    digests: Mapping[str, Any]

    @cached_property
    def record(self) -> ModelRecord:
        return ModelRecord.load(self.model)

    @cached_property
    def machine(self) -> dict[str, Any]:
        return read_record(self.environment)

    @cached_property
    def requests(self) -> list[Request]:
        return read_workload(self.workload)

    @property
    def purpose(self) -> str:
        return self.settings["purpose"]


def resolve(order: Order) -> EngineSettings:
    """The engine's settings with every `auto` resolved for this machine and model."""
    s = order.settings
    device = order.machine["device"]
    dtype = resolve_dtype(s["dtype"], device)
    architecture = order.record.architecture
    given = auto_block_size(device, architecture) if s["block_size"] == "auto" else s["block_size"]
    kv_dtype = s["kv_dtype"]
    kv_itemsize = cache_itemsize(kv_dtype, dtype)
    max_length = _max_length(order)
    row = reserved_slots(max_length, given) * token_bytes(architecture, kv_itemsize)
    key = "parity.kv_budget_mib" if order.purpose == "parity" else "kv_budget_mib"
    total, free = _memory(device, s["gpus"])
    weights = architecture.parameters * itemsize(dtype)
    return EngineSettings(
        engine=s["engine"],
        model_path=str(order.record.path),
        random_weights=order.record.source == "shape",
        dtype=dtype,
        device=device,
        threads=resolve_threads(s["cpu_threads"], device),
        max_length=max_length,
        max_context=architecture.max_position_embeddings,
        budget_bytes=kv_budget_bytes(_budget_mib(order, row), s["memory_fraction"], total, free, weights, row, key),
        groups=architecture.groups,
        kv_itemsize=kv_itemsize,
        kv_dtype=kv_dtype,
        block_size=slots_of_block(s["engine"], given, max_length),
        temperature=s["sampling"]["temperature"],
        top_p=s["sampling"]["top_p"],
        seed=s["seed"],
        prefix_sharing=s["prefix_sharing"],
        options=dict(s["options"]),
        arrivals=s["requests_per_s"] is not None,
        margins=order.purpose == "parity" and s["engine"] == REFERENCE,
        gpus=s["gpus"] if device == "cuda" else 1,
    )


def auto_block_size(device: str, architecture: Architecture) -> int:
    """Tokens of a block where the configuration says `auto`."""
    latent = device == "cpu" and any(group.kind == MLA for group in architecture.groups)
    return CPU_LATENT_BLOCK_SIZE if latent else AUTO_BLOCK_SIZE[device]


def slots_of_block(engine: str, block_size: int, max_length: int) -> int:
    """Slots of the engine's blocks: the run's `block_size`, or for ONE_BLOCK a whole reservation of `max_length`.

    It is the reservation that `vllm-reserved` counts with, so that both admit equally many requests, also where
    `max_length` is no multiple of `block_size`.
    """
    return reserved_slots(max_length, block_size) if engine in ONE_BLOCK else block_size


def _max_length(order: Order) -> int:
    """The configured length; for the parity gate, at most the model's longest sequence."""
    longest = order.record.architecture.max_position_embeddings
    wanted = order.settings["max_length"]
    return min(wanted, longest) if order.purpose == "parity" and longest else wanted


def _budget_mib(order: Order, row_bytes: int) -> float | str:
    """The configured budget; the parity gate, which compares only tokens, raises it to hold at least one request."""
    wanted = order.settings["kv_budget_mib"]
    return max(wanted, row_bytes / 2**20) if order.purpose == "parity" and wanted != "auto" else wanted


def _memory(device: str, gpus: int) -> tuple[int, int]:
    """Total and free bytes of memory; of several GPUs, which share evenly, the smallest times their number."""
    if device == "cpu":
        import psutil

        memory = psutil.virtual_memory()
        return memory.total, memory.available
    with Session() as session:
        cards = choose_cards(session, gpus)
    return gpus * min(card.total_bytes or 0 for card in cards), gpus * min(card.free_bytes or 0 for card in cards)
