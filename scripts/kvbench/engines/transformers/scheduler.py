"""Transformers' continuous-batching scheduler with recording, selected by name from the library's registry.

The scheduler runs in the library's generation thread. The main thread begins and ends a pass while no request is
submitted, so the two never write at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from transformers.generation.continuous_batching.cache import PagedAttentionCache
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler

from kvbench.engines.schedule_log import ScheduleLog
from kvbench.kv.schedule import FREED, PREEMPTED, Schedule

NAME = "kvbench-fifo"


class PagedPool:
    """The free list and the block tables of a cache with one kind of layer."""

    def __init__(self, cache: PagedAttentionCache) -> None:
        self.pool = cache.pool
        (self.allocator,) = cache.cache_allocators.values()
        self.total_blocks = self.free_blocks()
        self.block_size: int = self.allocator.tokens_per_page

    def free_blocks(self) -> int:
        """Blocks that no request holds, from the library's own counters; cached blocks count, since it evicts them."""
        in_sectors = self.pool.num_free_sectors * self.allocator.blocks_per_sector
        cached = len(self.allocator.ledger.cached_blocks)
        return in_sectors + self.pool.count_free_blocks(self.allocator.index) + cached

    def table(self, request_id: str) -> list[int]:
        """Ids of the blocks that a request holds."""
        return self.allocator.block_table.get(request_id, [])


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
        begin = time.perf_counter_ns()
        running, waiting = len(scheduler.active_requests), len(scheduler.waiting_requests)
        if len(self.held) != running:
            self._note_admissions(scheduler)
        same = self.log.goes_on(len(batch), total_tokens, running)
        dumped = None if same else self.log.dump([b.state.request_id for b in batch], [b.query_length for b in batch])
        if self.read_blocks and len(self.log.t_ns) % self.block_stride == 0:
            self._read_blocks(scheduler, batch)
        self.log.sample(self.pool.free_blocks(), running, waiting, total_tokens, dumped)
        self.hook_ns += time.perf_counter_ns() - begin

    def _note_admissions(self, scheduler: RecordingScheduler) -> None:
        """Look beyond the batch: a request with a prefix hit holds blocks even in a step that does not schedule it."""
        for state in scheduler.active_requests.values():
            if state.request_id not in self.held:
                self.held.add(state.request_id)
                self.log.admit(state.request_id, state.current_len())

    def _read_blocks(self, scheduler: RecordingScheduler, batch: Sequence[Any]) -> None:
        new = {b.state.request_id: b.query_length for b in batch}
        for request_id, state in scheduler.active_requests.items():
            computed = state.current_len() + new.get(request_id, 0)
            self.log.read_blocks(request_id, computed, self.pool.table(request_id))

    def gave_back(self, request_id: str, state: Any) -> None:
        """Note that a request has returned its blocks, finished or preempted; keep the time of its first token."""
        if state is None:
            return
        if state.timestamps:
            self.first_token_s.setdefault(request_id, state.timestamps[0])
        self.held.discard(request_id)
        if self.record and state.generated_len() == state.max_new_tokens:
            self.log.event(FREED, request_id)

    def waits(self, request_id: str) -> None:
        """Note that a request was queued: it is a preemption if the request had been admitted before."""
        if self.record:
            self.log.event(PREEMPTED, request_id)

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
