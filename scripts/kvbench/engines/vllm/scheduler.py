"""vLLM schedulers that record their decisions inside the engine process (`scheduler_cls`).

`schedule_log` says what a step records. Block ids are read, and the upkeep of blocks is timed, only in passes that are
not timed themselves.
`LLM.reset_prefix_cache()`, which the runner calls between passes, ends a pass and writes its record.
"""

from __future__ import annotations

import time
from typing import Any

from vllm.config import VllmConfig
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler

from kvbench.engines.schedule_log import ScheduleLog
from kvbench.engines.vllm.recording import Recording
from kvbench.engines.vllm.reserving import Reserving
from kvbench.engines.vllm.upkeep import BlocksTimer
from kvbench.kv.schedule import ADMITTED, FREED, PREEMPTED, Schedule


class Recorder:
    """Fills the log of the current pass from the scheduler's state."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.told = Recording.announced()
        self.manager = scheduler.kv_cache_manager
        self.told.write_tables(scheduler.kv_cache_config.kv_cache_groups)
        self.pool = self.manager.block_pool
        self.runs_ahead = isinstance(scheduler, AsyncScheduler)
        self.total_blocks = self.pool.get_num_free_blocks()
        self.number = 0
        self._begin()

    def _begin(self) -> None:
        self.enabled = self.number not in self.told.passes.silent
        self.reads_blocks = self.enabled and self.number in self.told.passes.blocks
        self.log = ScheduleLog(runs_ahead=self.runs_ahead)
        self.steps_seen = 0  # steps of the pass whose tokens the scheduler has seen
        self.hook_ns = 0
        self.upkeep = BlocksTimer(self.manager) if self.number in self.told.passes.upkeep else None

    def event(self, kind: int, request_id: str) -> None:
        """Note that a request was preempted or freed before the next step ends."""
        if self.enabled:
            begin = time.monotonic_ns()
            self.log.event(kind, request_id)
            self.hook_ns += time.monotonic_ns() - begin

    def step(self, scheduler: Scheduler, output: SchedulerOutput) -> None:
        """Record one step, after schedule()."""
        if not self.enabled:
            return
        begin, log = time.monotonic_ns(), self.log
        if output.scheduled_new_reqs or output.scheduled_cached_reqs.resumed_req_ids:
            self._note_admissions(output)
        if self.reads_blocks and log.steps % self.told.passes.stride == 0:
            self._read_blocks(scheduler)
        running, waiting = scheduler.get_request_counts()
        free, total = self.pool.get_num_free_blocks(), output.total_num_scheduled_tokens
        log.step(begin, free, running, waiting, total, output.num_scheduled_tokens, self.steps_seen)
        spent = time.monotonic_ns() - begin
        self.hook_ns += spent
        if self.upkeep is not None:
            self.upkeep.step(spent)

    def _note_admissions(self, output: SchedulerOutput) -> None:
        for new in output.scheduled_new_reqs:
            self.log.event(ADMITTED, new.req_id, new.num_computed_tokens)
        cached = output.scheduled_cached_reqs
        if cached.resumed_req_ids:
            for request_id, computed in zip(cached.req_ids, cached.num_computed_tokens, strict=True):
                if request_id in cached.resumed_req_ids:
                    self.log.event(ADMITTED, request_id, computed)

    def _read_blocks(self, scheduler: Scheduler) -> None:
        for request in scheduler.running:
            for group, ids in enumerate(self.manager.get_block_ids(request.request_id)):
                self.log.read_blocks(request.request_id, request.num_computed_tokens, ids, group)

    def settled(self, output: SchedulerOutput) -> None:
        """Note that the scheduler sees the tokens of a step; it does so in order."""
        if output.total_num_scheduled_tokens:
            self.steps_seen += 1

    def end_pass(self, scheduler: Scheduler) -> bool:
        """Write the pass's record, if it has one, and begin the next; whether that is to find the cache as it is."""
        if self.upkeep is not None:
            self.upkeep.stop()
        if self.log.steps:
            self._schedule(scheduler).save(self.told.file(self.number))
        kept = self.number in self.told.passes.kept
        self.number += 1
        self._begin()
        return kept

    def _schedule(self, scheduler: Scheduler) -> Schedule:
        schedule = self.log.schedule(
            end_free_blocks=self.pool.get_num_free_blocks(),
            end_requests=len(scheduler.requests),
            total_blocks=self.total_blocks,
            block_size=scheduler.block_size,
            hook_s=self.hook_ns / 1e9,
            paging=self.told.paging,
        )
        return schedule if self.upkeep is None else self.upkeep.added_to(schedule)


class _Recording:
    """Mixin over vLLM's schedulers; every override calls the original and records the call."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recorder = Recorder(self)

    def schedule(self, *args: Any, **kwargs: Any) -> SchedulerOutput:
        output = super().schedule(*args, **kwargs)
        self.recorder.step(self, output)
        return output

    def update_from_output(self, scheduler_output: SchedulerOutput, *args: Any, **kwargs: Any) -> Any:
        self.recorder.settled(scheduler_output)
        return super().update_from_output(scheduler_output, *args, **kwargs)

    def _preempt_request(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super()._preempt_request(request, *args, **kwargs)
        self.recorder.event(PREEMPTED, request.request_id)

    def _free_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        freed = super()._free_request(request, *args, **kwargs)
        self.recorder.event(FREED, request.request_id)
        return freed

    def reset_prefix_cache(self, *args: Any, **kwargs: Any) -> bool:
        kept = self.recorder.end_pass(self)
        return True if kept else super().reset_prefix_cache(*args, **kwargs)


class RecordingScheduler(_Recording, Scheduler):
    """vLLM's synchronous scheduler with recording."""


class RecordingAsyncScheduler(_Recording, AsyncScheduler):
    """vLLM's asynchronous scheduler with recording."""


class ReservingScheduler(_Recording, Reserving, Scheduler):
    """vLLM's synchronous scheduler with admission by reservation and recording."""


class ReservingAsyncScheduler(_Recording, Reserving, AsyncScheduler):
    """vLLM's asynchronous scheduler with admission by reservation and recording."""


KINDS = {  # by whether requests reserve and whether scheduling is asynchronous
    (False, False): RecordingScheduler,
    (False, True): RecordingAsyncScheduler,
    (True, False): ReservingScheduler,
    (True, True): ReservingAsyncScheduler,
}


def recording_scheduler(*args: Any, vllm_config: VllmConfig, **kwargs: Any) -> Scheduler:
    """The scheduler that vLLM itself would have chosen, with recording and, for some engines, reservations."""
    reserves = Recording.announced().reservation is not None
    kind = KINDS[reserves, bool(vllm_config.scheduler_config.async_scheduling)]
    return kind(*args, vllm_config=vllm_config, **kwargs)
