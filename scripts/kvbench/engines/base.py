"""The interface of every engine: its settings, its results and its methods."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from kvbench.engines.names import CUDA_ONLY, is_static
from kvbench.engines.recorded_passes import SCHEDULES_ONLY, RecordedPasses
from kvbench.errors import UserError
from kvbench.kv.contiguous import BatchRecord, longest_row
from kvbench.kv.groups import LayerGroup, Paging, paging_of, slot_elements, token_elements
from kvbench.kv.schedule import Schedule
from kvbench.machine.processes import rss_bytes
from kvbench.workload.read import Request

log = logging.getLogger(__name__)


def reserved_slots(max_length: int, block_size: int) -> int:
    """Slots of a reservation of `max_length` tokens in whole blocks."""
    return -(-max_length // block_size) * block_size


@dataclass(frozen=True)
class EngineSettings:
    """One engine's settings, with everything `auto` resolved."""

    engine: str
    model_path: str
    random_weights: bool  # the model is a shape: weights are initialised at random on the device
    dtype: str
    device: str
    threads: int | None  # None: as the engine chooses
    max_length: int  # of a request, prompt + output
    budget_bytes: int
    groups: tuple[LayerGroup, ...]  # what the library caches for a token, in elements
    kv_itemsize: int  # bytes of an element of the cache
    block_size: int
    temperature: float
    top_p: float
    seed: int
    prefix_sharing: bool = False  # requests with a common prefix may share blocks
    options: dict[str, Any] = field(default_factory=dict)
    arrivals: bool = False  # requests are submitted when due
    margins: bool = False  # keep the gap between the top two logits of every token
    gpus: int = 1  # on CUDA: GPUs that the model and its cache are split over
    row_limit: int | None = None  # most rows of a padded batch, set after a larger batch ran out of memory
    kv_dtype: str = "auto"  # number type of the cache; auto: that of the model
    max_context: int | None = None  # the model's positions, None: unknown

    @property
    def longest_row(self) -> int:
        """Tokens that a row of a padded batch may reach (`kv.contiguous.longest_row`)."""
        return longest_row(self.max_length, self.max_context, static=is_static(self.engine))

    @property
    def slot_bytes(self) -> int:
        """Bytes of a slot (`kv.groups.slot_elements`)."""
        return slot_elements(self.groups) * self.kv_itemsize

    @property
    def token_bytes(self) -> int:
        """Bytes of one token in all layers."""
        return token_elements(self.groups) * self.kv_itemsize

    @property
    def paging(self) -> Paging:
        """The block tables of an engine with blocks."""
        return paging_of(self.engine, self.groups)

    @property
    def block_bytes(self) -> int:
        """Bytes of a block, which is a page of the pool where there are several KV groups."""
        return self.block_size * self.paging.page_units * self.slot_bytes

    @property
    def reserved_row_slots(self) -> int:
        """Tokens of a reservation of `max_length`, rounded up to whole blocks."""
        return reserved_slots(self.max_length, self.block_size)

    @property
    def row_bytes(self) -> int:
        """Bytes of a reservation of `max_length` tokens: in blocks of every table, or in a row of each layer."""
        if is_static(self.engine) and any(group.window for group in self.groups):
            kept = sum(group.token_elements * group.stored(self.max_length) for group in self.groups)
            return kept * self.kv_itemsize
        return self.reserved_row_slots // self.block_size * self.paging.pages_per_token * self.block_bytes

    @property
    def reserved_rows(self) -> int:
        """Requests that the budget holds when each reserves `max_length` tokens."""
        return self.budget_bytes // self.row_bytes

    @property
    def budget_blocks(self) -> int:
        """Blocks that the budget holds."""
        return self.budget_bytes // self.block_bytes


def refuse_device(settings: EngineSettings) -> None:
    """UserError if the engine cannot run on the device; the check of config.yaml refuses this too, but earlier."""
    if settings.device == "cpu" and settings.engine in CUDA_ONLY:
        why = CUDA_ONLY[settings.engine]
        raise UserError(f"config.yaml: device: {settings.engine} needs a CUDA device: {why}")


def refuse_options(settings: EngineSettings, library: str, error: Exception) -> None:
    """Turn an error while loading into a UserError if the user has set options; return if there are none."""
    if settings.options:
        log.error("%s did not load", settings.engine, exc_info=error)
        names = ", ".join(f"{name}: {json.dumps(value, default=str)}" for name, value in settings.options.items())
        problem = f"{library} cannot be loaded with the options {names} ({error})"
        raise UserError(f"config.yaml: engines.{settings.engine}: {problem}; correct or remove one") from None


def refuse_weights(settings: EngineSettings, error: Exception) -> None:
    """Turn an error of safetensors into a UserError; return for any other error."""
    if type(error).__name__ == "SafetensorError":
        problem = f"the weights cannot be read ({error}), so they have changed since prepare_model checked them"
        raise UserError(f"{settings.model_path}: {problem}; put the model there again") from None


@dataclass(frozen=True)
class Completion:
    """One request's output; times are CLOCK_MONOTONIC nanoseconds.

    The last four are known only where requests are submitted when due: see `records.REQUESTS`.
    """

    request_id: str
    output_token_ids: list[int]
    start_ns: int
    first_token_ns: int
    finish_ns: int
    preemptions: int | None = None
    cached_tokens: int | None = None
    due_ns: int | None = None
    submitted_ns: int | None = None
    received_ns: int | None = None
    token_ns: list[int] | None = None


@dataclass(frozen=True)
class Margins:
    """Gap between the top two logits of each generated token of a request."""

    request_id: str
    top1_minus_top2: list[float]


@dataclass(frozen=True)
class PrefixCounts:
    """Prompt tokens that the engine's own counters say were looked up in the cache, and found there, in a pass."""

    looked_up_tokens: int
    found_tokens: int


@dataclass(frozen=True)
class Generated:
    """Result of one pass over some requests. Engines with padded batches fill `batches`, paged ones `schedule`."""

    completions: list[Completion]
    batches: list[BatchRecord] = field(default_factory=list)
    schedule: Schedule | None = None
    margins: list[Margins] = field(default_factory=list)
    hook_s: float = 0.0
    prefix_counts: PrefixCounts | None = None


@dataclass(frozen=True)
class LoadTimes:
    """Seconds to import the engine's packages, to load it, and to compile or capture graphs (None: not known).

    `imported_bytes`: on a CPU, resident bytes of the process between importing and loading; None on CUDA.
    """

    import_s: float
    load_s: float
    imported_bytes: int | None
    compile_s: float | None = None


def resident_bytes(device: str) -> int | None:
    """Resident bytes of this process on a CPU; None on CUDA, where they are not part of the device's memory."""
    return rss_bytes() if device == "cpu" else None


class Engine(Protocol):
    """Load once, generate any number of times, always close.

    Loading may change `settings`: a library may need other bytes per token than Transformers.
    `spare_blocks` are the blocks that the library adds to the pool for its own use.
    """

    packages: tuple[str, ...]
    settings: EngineSettings
    spare_blocks: int

    def load(self) -> LoadTimes:
        """Import and load; nothing is generated yet."""

    def generate(
        self,
        requests: Sequence[Request],
        tick: Callable[[int], None],
        terminal: TextIO | None,
        label: Callable[[str], None],
        due_ns: Sequence[int] | None = None,
    ) -> Generated:
        """Serve all requests. `tick` gets numbers of new tokens, `label` names of phases.

        `due_ns` says when each is submitted, on CLOCK_MONOTONIC and not decreasing; None: all at once.
        """

    def collect(self, generated: Generated, repeat: int) -> Generated:
        """Fetch the record of the pass, outside the timed part, and empty the engine's cache for the next pass."""

    def prepare(self, passes: RecordedPasses = SCHEDULES_ONLY) -> None:
        """Say what to record; call it before loading."""

    def limit_rows(self, rows: int) -> None:
        """Limit the rows of a batch; called after OutOfMemory, which only engines with padded batches raise."""

    def costliest_batch(self, requests: Sequence[Request], rows: int) -> list[Request]:
        """The batch of at most `rows` rows that needs the most memory."""

    def in_force(self) -> dict[str, Any]:
        """Settings as the engine reports them."""

    def capacity(self) -> dict[str, int | None]:
        """pool_bytes, pool_slots, blocks, batch_rows; None where not applicable."""

    def begin_peak(self) -> None:
        """Reset the peaks of torch's allocator, so that `memory` reports those from now on."""

    def memory(self) -> dict[str, int | None]:
        """Bytes by part, as counted in the engine's own process."""

    def close(self) -> None:
        """Leave no process and no device memory behind; safe to call twice."""
