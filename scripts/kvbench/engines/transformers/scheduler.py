"""Transformers' continuous-batching scheduler with recording, selected by name from the library's registry.

The scheduler runs in the library's generation thread. The main thread begins and ends a pass while no request is
submitted, so the two never write at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from transformers.generation.continuous_batching.cache import PagedAttentionCache
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler

from kvbench.engines.schedule_log import ScheduleLog
from kvbench.kv.groups import FULL, SLIDING, Paging
from kvbench.kv.schedule import ADMITTED, FREED, PREEMPTED, Schedule

NAME = "kvbench-fifo"


# Kinds of `kv.groups` by the library's names.
KINDS = {"full_attention": FULL, "sliding_attention": SLIDING}


class PagedPool:
    """The free list and the block tables of a cache, in pages: a block of the only kind of layers, or of one layer."""

    def __init__(self, cache: PagedAttentionCache, paging: Paging) -> None:
        self.pool, self.paging = cache.pool, paging
        self.allocators = list(cache.cache_allocators.values())
        pages = {group.kind: group.pages for group in paging.groups}
        self.pages = [pages[self._kind(allocator, pages)] for allocator in self.allocators]
        self.sector_pages = self.allocators[0].blocks_per_sector * self.pages[0]
        self.total_blocks = self.free_blocks()
        self.block_size: int = self.allocators[0].tokens_per_page

    @staticmethod
    def _kind(allocator: Any, known: Collection[str]) -> str:
        """The kind of an allocator's layers; a latent cache is none of the library's."""
        kind = KINDS[allocator.layer_type]
        return kind if kind in known else next(iter(known))

    def free_blocks(self) -> int:
        """Pages that no request holds, from the library's own counters; cached blocks count, since it evicts them."""
        free = self.pool.num_free_sectors * self.sector_pages
        for allocator, pages in zip(self.allocators, self.pages, strict=True):
            cached = len(allocator.ledger.cached_blocks)
            free += (self.pool.count_free_blocks(allocator.index) + cached) * pages
        return free

    def tables(self, request_id: str) -> list[list[int]]:
        """Ids of the blocks that a request holds, for each kind of layers."""
        return [allocator.block_table.get(request_id, []) for allocator in self.allocators]


class Recorder:
    """Fills the log of the current pass from the scheduler's state."""

    def __init__(self, pool: PagedPool, block_stride: int) -> None:
        self.pool, self.block_stride = pool, block_stride
        self.begin_pass(record=False, read_blocks=False)

    def begin_pass(self, *, record: bool, read_blocks: bool) -> None:
        """Start a new log; call it while no request is submitted."""
        self.record, self.read_blocks = record, read_blocks
        self.log = ScheduleLog()
        self.held: set[str] = set()
        self.first_token_s: dict[str, float] = {}
        self.hook_ns = 0

    def step(self, scheduler: RecordingScheduler, batch: Sequence[Any], total_tokens: int) -> None:
        """Record one step, after its blocks were allocated and before the model runs."""
        if not self.record:
            return
        begin, log = time.monotonic_ns(), self.log
        running, waiting = len(scheduler.active_requests), len(scheduler.waiting_requests)
        if len(self.held) != running:
            self._note_admissions(scheduler)
        scheduled = {b.state.request_id: b.query_length for b in batch}
        if self.read_blocks and log.steps % self.block_stride == 0:
            self._read_blocks(scheduler, scheduled)
        log.step(begin, self.pool.free_blocks(), running, waiting, total_tokens, scheduled)
        self.hook_ns += time.monotonic_ns() - begin

    def _note_admissions(self, scheduler: RecordingScheduler) -> None:
        """Look beyond the batch: a request with a prefix hit holds blocks even in a step that does not schedule it."""
        for state in scheduler.active_requests.values():
            if state.request_id not in self.held:
                self.held.add(state.request_id)
                self.log.event(ADMITTED, state.request_id, state.current_len())

    def _read_blocks(self, scheduler: RecordingScheduler, scheduled: Mapping[str, int]) -> None:
        for request_id, state in scheduler.active_requests.items():
            computed = state.current_len() + scheduled.get(request_id, 0)
            for group, ids in enumerate(self.pool.tables(request_id)):
                self.log.read_blocks(request_id, computed, ids, group)

    def gave_back(self, request_id: str, state: Any) -> None:
        """Note that a request has returned its blocks, finished or preempted; keep the time of its first token."""
        if state is None:
            return
        if state.timestamps:
            self.first_token_s.setdefault(request_id, state.timestamps[0])
        self.held.discard(request_id)
        if state.generated_len() == state.max_new_tokens:
            self._event(FREED, request_id)

    def waits(self, request_id: str) -> None:
        """Note that a request was queued: it is a preemption if the request had been admitted before."""
        self._event(PREEMPTED, request_id)

    def _event(self, kind: int, request_id: str) -> None:
        if self.record:
            begin = time.monotonic_ns()
            self.log.event(kind, request_id)
            self.hook_ns += time.monotonic_ns() - begin

    def schedule(self, scheduler: RecordingScheduler) -> Schedule | None:
        """The record of the pass that has just ended; None if it was not recorded."""
        if not self.record:
            return None
        return self.log.schedule(
            end_free_blocks=self.pool.free_blocks(),
            end_requests=len(scheduler.active_requests) + len(scheduler.waiting_requests),
            total_blocks=self.pool.total_blocks,
            block_size=self.pool.block_size,
            hook_s=self.hook_ns / 1e9,
            paging=self.pool.paging,
        )


class RecordingScheduler(FIFOScheduler):
    """The library's default scheduler; every override calls the original and records the call."""

    recorder: Recorder

    def schedule_batch(self, token_budget: int, cache_budget: int) -> Any:
        found = super().schedule_batch(token_budget, cache_budget)
        batch, _, total_tokens, _ = found
        if batch:
            self.recorder.step(self, batch, total_tokens)
        return found

    def finish_request(self, request_id: str) -> None:
        state = self.active_requests.get(request_id)
        super().finish_request(request_id)
        self.recorder.gave_back(request_id, state)

    def add_waiting_request(self, state: Any) -> None:
        super().add_waiting_request(state)
        self.recorder.waits(state.request_id)


def register() -> str:
    """Add the recording scheduler to the library's registry; return its name there."""
    SCHEDULER_MAPPING[NAME] = RecordingScheduler
    return NAME
