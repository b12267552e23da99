"""vLLM schedulers that record what they decide, inside the engine process (`scheduler_cls`).

A step costs a few counters and, when the set of requests changed, one C-level copy of the
scheduled-token counts; slots are rebuilt afterwards by `kvbench.kv.paged`. Block ids are read
only in passes that are not timed. The engine's own call between passes,
`LLM.reset_prefix_cache()`, ends a pass and writes its record.
"""

from __future__ import annotations

import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from vllm.config import VllmConfig
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.output import SchedulerOutput
from vllm.v1.core.sched.scheduler import Scheduler

from kvbench.kv.schedule import ADMITTED, FREED, PREEMPTED, SAME_AS_BEFORE, Schedule


class Recorder:
    """The record of the current pass, in append-only arrays."""

    def __init__(self, scheduler: Scheduler) -> None:
        config = scheduler.vllm_config.additional_config["kvbench"]
        self.folder = Path(config["folder"])
        self.block_stride: int = config["block_stride"]
        self.block_passes = set(config["block_passes"])
        self.silent_passes = set(config["silent_passes"])
        self.pool = scheduler.kv_cache_manager.block_pool
        self.total_blocks = self.pool.get_num_free_blocks()
        self.number = 0
        self._begin()

    def _begin(self) -> None:
        self.enabled = self.number not in self.silent_passes
        self.t_ns = array("q")
        self.samples = array("i")  # free blocks, running, waiting, scheduled tokens, dump length
        self.dump_request, self.dump_tokens = array("i"), array("i")
        self.events = array("i")  # step, kind, request, tokens
        self.blocks = array("i")  # step, request, computed tokens, number of blocks
        self.block_ids = array("i")
        self.index: dict[str, int] = {}
        self.changed, self.all_scheduled = True, False
        self.hook_ns = 0

    def event(self, kind: int, request_id: str, tokens: int = 0) -> None:
        """Note that a request was admitted, preempted or freed before the next sample."""
        if self.enabled and request_id in self.index:
            self.events.extend((len(self.t_ns), kind, self.index[request_id], tokens))
            self.changed = True

    def step(self, scheduler: Scheduler, output: SchedulerOutput) -> None:
        """Record one step, after schedule()."""
        if not self.enabled:
            return
        begin = time.perf_counter_ns()
        self._note_admissions(output)
        scheduled = output.num_scheduled_tokens
        total = output.total_num_scheduled_tokens
        running, waiting = scheduler.get_request_counts()
        every_one = len(scheduled) == running
        if every_one and total == running and self.all_scheduled and not self.changed:
            length = SAME_AS_BEFORE
        else:
            length = len(scheduled)
            self.dump_request.extend(map(self.index.__getitem__, scheduled))
            self.dump_tokens.extend(scheduled.values())
        self.all_scheduled, self.changed = every_one, False
        if self.number in self.block_passes and len(self.t_ns) % self.block_stride == 0:
            self._read_blocks(scheduler)
        self.t_ns.append(time.monotonic_ns())
        self.samples.extend((self.pool.get_num_free_blocks(), running, waiting, total, length))
        self.hook_ns += time.perf_counter_ns() - begin

    def _note_admissions(self, output: SchedulerOutput) -> None:
        for new in output.scheduled_new_reqs:
            self.index[new.req_id] = len(self.index)
            self.event(ADMITTED, new.req_id, new.num_computed_tokens)
        cached = output.scheduled_cached_reqs
        if cached.resumed_req_ids:
            for request_id, computed in zip(cached.req_ids, cached.num_computed_tokens, strict=True):
                if request_id in cached.resumed_req_ids:
                    self.event(ADMITTED, request_id, computed)

    def _read_blocks(self, scheduler: Scheduler) -> None:
        for request in scheduler.running:
            (ids,) = scheduler.kv_cache_manager.get_block_ids(request.request_id)
            self.blocks.extend((len(self.t_ns), self.index[request.request_id], request.num_computed_tokens, len(ids)))
            self.block_ids.extend(ids)

    def end_pass(self, scheduler: Scheduler) -> None:
        """Write the pass's record, if it has one, and begin the next."""
        if self.t_ns:
            self._schedule(scheduler).save(self.folder / f"schedule-{self.number}.npz")
        self.number += 1
        self._begin()

    def _schedule(self, scheduler: Scheduler) -> Schedule:
        samples = np.array(self.samples, np.int32).reshape(-1, 5)
        events = np.array(self.events, np.int32).reshape(-1, 4)
        blocks = np.array(self.blocks, np.int32).reshape(-1, 4)
        return Schedule(
            t_ns=np.array(self.t_ns, np.int64),
            free_blocks=samples[:, 0],
            running=samples[:, 1],
            waiting=samples[:, 2],
            scheduled_tokens=samples[:, 3],
            dump_length=samples[:, 4],
            dump_request=np.array(self.dump_request, np.int32),
            dump_tokens=np.array(self.dump_tokens, np.int32),
            event_step=events[:, 0],
            event_kind=events[:, 1].astype(np.int8),
            event_request=events[:, 2],
            event_tokens=events[:, 3],
            request_ids=np.array(list(self.index), np.str_),
            block_step=blocks[:, 0],
            block_request=blocks[:, 1],
            block_tokens=blocks[:, 2],
            block_length=blocks[:, 3],
            block_ids=np.array(self.block_ids, np.int32),
            end_ns=time.monotonic_ns(),
            end_free_blocks=self.pool.get_num_free_blocks(),
            end_requests=len(scheduler.requests),
            total_blocks=self.total_blocks,
            block_size=scheduler.block_size,
            hook_s=self.hook_ns / 1e9,
        )


class _Recording:
    """Mixin over vLLM's schedulers; every override calls the original and adds a note."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recorder = Recorder(self)

    def schedule(self, *args: Any, **kwargs: Any) -> SchedulerOutput:
        output = super().schedule(*args, **kwargs)
        self.recorder.step(self, output)
        return output

    def _preempt_request(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super()._preempt_request(request, *args, **kwargs)
        self.recorder.event(PREEMPTED, request.request_id)

    def _free_request(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        freed = super()._free_request(request, *args, **kwargs)
        self.recorder.event(FREED, request.request_id)
        return freed

    def reset_prefix_cache(self, *args: Any, **kwargs: Any) -> bool:
        self.recorder.end_pass(self)
        return super().reset_prefix_cache(*args, **kwargs)


class RecordingScheduler(_Recording, Scheduler):
    """vLLM's synchronous scheduler, recorded."""


class RecordingAsyncScheduler(_Recording, AsyncScheduler):
    """vLLM's asynchronous scheduler, recorded."""


def recording_scheduler(*args: Any, vllm_config: VllmConfig, **kwargs: Any) -> Scheduler:
    """The recorded form of the scheduler that vLLM itself would have chosen."""
    kind = RecordingAsyncScheduler if vllm_config.scheduler_config.async_scheduling else RecordingScheduler
    return kind(*args, vllm_config=vllm_config, **kwargs)
