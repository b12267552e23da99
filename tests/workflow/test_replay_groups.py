"""The replay equals vLLM with several KV cache groups and with asynchronous scheduling: its scheduler and block pool
without a model, and live engines."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builders import kv_group_models
from builders.read_maps import counts_of, recorded_of
from builders.requests import requests_of
from builders.served_passes import map_of_pass
from builders.tiny import MAX_LENGTH
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kvbench.blockmap.events import PREEMPTED
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.kv.schedule import Schedule
from kvbench.measure.kv_rows import kv_rows
from kvbench.replay import PARTS, Settings, Trace, replay

EXAMPLES = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
COMPARED = ("running", "waiting", "scheduled_tokens", "preemptions", "allocated", *PARTS)
LENGTHS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 38)), min_size=1, max_size=12)
TIGHT = [(20, 38)] * 8
PREEMPTED_AT_ITS_END = [*[(14, 9)] * 7, (14, 3)]  # while its last token is computed, with asynchronous scheduling
GEMMA, GPT_OSS = (32, 32, 32, 32, 32, 0), (16, 0)  # groups as vLLM makes them of these models, with short windows
Lengths = Sequence[tuple[int, int]]


@pytest.fixture(scope="module")
def schedulers(tiny):
    """A function that makes vLLM's scheduler for a replay's settings, or ours of that kind."""
    import torch
    from vllm.config import CacheConfig, DeviceConfig, ModelConfig, SchedulerConfig, VllmConfig
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec, SlidingWindowSpec
    from vllm.v1.structured_output import StructuredOutputManager

    length = {"max_model_len": MAX_LENGTH}
    model = ModelConfig(model=str(tiny), skip_tokenizer_init=True, dtype="float32", enforce_eager=True, **length)

    def make(own: Settings, kind: Any = None) -> Any:
        limits = SchedulerConfig(
            max_num_seqs=own.max_running,
            max_num_batched_tokens=own.max_step_tokens,
            long_prefill_token_threshold=own.long_prefill_tokens,
            scheduler_reserve_full_isl=own.prompt_must_fit,
            watermark=own.watermark_blocks / (own.pool_blocks + 1),
            async_scheduling=own.async_scheduling,
            is_encoder_decoder=False,
            **length,
        )
        cache = CacheConfig(block_size=own.block_size, enable_prefix_caching=False)
        config = VllmConfig(model, cache, scheduler_config=limits, device_config=DeviceConfig("cpu"))
        shape = {"block_size": own.block_size, "num_kv_heads": 1, "head_size": 32, "dtype": torch.float32}
        specs = [SlidingWindowSpec(sliding_window=w, **shape) if w else FullAttentionSpec(**shape) for w in own.windows]
        groups = [KVCacheGroupSpec([f"layer.{at}"], spec) for at, spec in enumerate(specs)]
        cache.num_gpu_blocks = own.pool_blocks + 1  # and the null block
        pool = KVCacheConfig(cache.num_gpu_blocks, [], groups)
        kind = kind or (AsyncScheduler if own.async_scheduling else Scheduler)
        return kind(config, pool, StructuredOutputManager(config), own.block_size)

    return make


def steps_of(scheduler: Any, lengths: Lengths, own: Settings) -> dict[str, np.ndarray]:
    """COMPARED of each step in which vLLM's scheduler serves requests of these lengths, as if a model ran.

    With asynchronous scheduling it sees the tokens of a step when the next one has been scheduled, as in
    `EngineCore.step_with_batch_queue`.
    """
    from vllm.sampling_params import SamplingParams
    from vllm.v1.outputs import ModelRunnerOutput
    from vllm.v1.request import Request

    requests = [
        Request(str(at), [1] * prompt, SamplingParams(max_tokens=output, ignore_eos=True), None)
        for at, (prompt, output) in enumerate(lengths)
    ]
    for request in requests:
        scheduler.add_request(request)
    rows, under_way = [], []
    while scheduler.has_unfinished_requests():
        step = scheduler.schedule()
        rows.append(
            [
                len(scheduler.running),
                len(scheduler.waiting) + len(scheduler.deferred_waiting),
                step.total_num_scheduled_tokens,
                sum(request.num_preemptions for request in requests),
                allocated(scheduler),
                *parts_of(scheduler, own.windows, step.num_scheduled_tokens),
            ]
        )
        names = list(step.num_scheduled_tokens)
        tokens = [[] if scheduler.requests[name].is_prefill_chunk else [1] for name in names]
        under_way.append((step, ModelRunnerOutput(names, {name: at for at, name in enumerate(names)}, tokens)))
        if len(under_way) > own.async_scheduling:
            scheduler.update_from_output(*under_way.pop(0))
    return dict(zip(COMPARED, np.array(rows).T, strict=True))


def allocated(scheduler: Any) -> int:
    """Slots that are not on the free list, without those of the null block."""
    pool = scheduler.kv_cache_manager.block_pool
    return (pool.num_gpu_blocks - 1 - pool.get_num_free_blocks()) * scheduler.block_size


def parts_of(scheduler: Any, windows: tuple[int, ...], scheduled: Collection[str]) -> list[int]:
    """Slots by PARTS, from the block tables: what each slot of a block that a running request holds is for."""
    held = list(slots_of(scheduler, windows, scheduled))
    return [held.count(part) for part in PARTS]


def slots_of(scheduler: Any, windows: tuple[int, ...], scheduled: Collection[str]) -> Iterator[str]:
    for request in scheduler.running:
        stored, final = request.num_computed_tokens, request.num_prompt_tokens + request.max_tokens - 1
        complete = stored == final and request.request_id not in scheduled
        tables = scheduler.kv_cache_manager.get_block_ids(request.request_id)
        for window, table in zip(windows, tables, strict=True):
            for place, block in enumerate(table):
                for position in range(place * scheduler.block_size, (place + 1) * scheduler.block_size):
                    if block and complete:
                        yield "finished"
                    elif block and position >= stored:
                        yield "reserved" if position < final else "internal"
                    elif block:
                        yield "expired" if window and position <= stored - window else "live"


def assert_same(live: dict[str, np.ndarray], lengths: Lengths, own: Settings) -> None:
    found = replay(Trace.of(*np.array(lengths).T), own, keep_steps=True)
    for name in COMPARED:
        np.testing.assert_array_equal(found.steps[name], live[name], err_msg=name)


def settings_with(windows: tuple[int, ...], block_size: int = 4, spare: int = 0, **limits: Any) -> Settings:
    """A pool that holds one request of the largest length in every group, and `spare` blocks."""
    blocks = len(windows) * (-(-MAX_LENGTH // block_size) + 1) + spare
    limits = {"max_running": 8, "max_step_tokens": 128, **limits}
    return Settings("paged", blocks * block_size, max_length=MAX_LENGTH, block_size=block_size, windows=windows,
                    **limits)  # fmt: skip


@EXAMPLES
@given(
    LENGTHS,
    st.lists(st.sampled_from([0, 1, 2, 7, 16, 33, 100]), min_size=1, max_size=4).map(tuple),
    st.sampled_from([1, 3, 4, 16]),
    st.integers(0, 40),
    st.sampled_from(
        [
            {},
            {"max_step_tokens": 19},
            {"max_running": 3, "long_prefill_tokens": 17},
            {"watermark_blocks": 2},
            {"max_step_tokens": 23, "prompt_must_fit": False},
        ]
    ),
    st.booleans(),
)
@example(TIGHT, GEMMA, 4, 0, {}, False)
@example(TIGHT, GEMMA, 16, 3, {"max_step_tokens": 19}, False)
@example(TIGHT, GPT_OSS, 4, 0, {}, False)
@example(TIGHT, GPT_OSS, 4, 0, {"max_step_tokens": 19}, False)
@example(TIGHT, GEMMA, 4, 0, {}, True)
@example(TIGHT, (0,), 4, 0, {}, True)
@example(PREEMPTED_AT_ITS_END, (0,), 4, 0, {}, True)
def test_every_step_is_vllms(schedulers, lengths, windows, block_size, spare, limits, ahead):
    own = settings_with(windows, block_size, spare, async_scheduling=ahead, **limits)
    live = steps_of(schedulers(own), lengths, own)
    assert_same(live, lengths, own)
    np.testing.assert_array_equal(sum(live[part] for part in PARTS), live["allocated"])
    assert lengths != TIGHT or limits or live["preemptions"][-1] > 0


def test_a_request_can_be_preempted_while_its_last_token_is_computed(schedulers):
    own = settings_with((0,), async_scheduling=True)
    assert_same(steps_of(schedulers(own), PREEMPTED_AT_ITS_END, own), PREEMPTED_AT_ITS_END, own)
    assert replay(Trace.of(*np.array(PREEMPTED_AT_ITS_END).T), own).requests.preemptions[-1] == 1


@pytest.mark.parametrize("lengths", [PREEMPTED_AT_ITS_END, TIGHT])
def test_the_map_of_a_scheduler_that_runs_ahead_adds_up(schedulers, lengths, tmp_path, monkeypatch):
    from kvbench.engines.vllm.recording import VARIABLE, Recording
    from kvbench.engines.vllm.scheduler import RecordingAsyncScheduler

    monkeypatch.setenv(VARIABLE, "")
    told = Recording(str(tmp_path), RecordedPasses(blocks=[0]))
    told.announce()
    own = settings_with((0,), async_scheduling=True)
    scheduler = schedulers(own, RecordingAsyncScheduler)
    live = steps_of(scheduler, lengths, own)
    scheduler.reset_prefix_cache()
    schedule = Schedule.load(told.file(0))
    assert schedule.unsettled.tolist() == [0, *(live["scheduled_tokens"][:-1] > 0)], "the step before, if it has tokens"
    sizes = {"slot_bytes": 1, "block_size": own.block_size, "blocks": own.pool_blocks, "shared": False}
    generated = SimpleNamespace(schedule=schedule, batches=[])
    [side] = map_of_pass(tmp_path / "map", "vllm", generated, requests_of(lengths), **sizes)["sides"]
    assert counts_of(side) == recorded_of(side)
    assert side["events"][1::3].count(PREEMPTED) == live["preemptions"][-1] > 0


CHANGES = (
    {"windows": (15, 0)},
    {"windows": (17, 0)},
    {"windows": (16, 16)},
    {"windows": (16, 0, 0)},
    {"pool_slots": 65 * 4},
    {"max_step_tokens": 20},
    {"async_scheduling": True},
)


def test_the_comparison_fails_where_a_setting_or_a_number_differs(schedulers):
    own = settings_with(GPT_OSS, max_step_tokens=19)
    live = steps_of(schedulers(own), TIGHT, own)
    assert_same(live, TIGHT, own)
    for change in CHANGES:
        with pytest.raises(AssertionError):
            assert_same(live, TIGHT, dataclasses.replace(own, **change))
    assert_same(live, TIGHT, dataclasses.replace(own, windows=(0, 16)))  # the order of groups is of no consequence
    for name in COMPARED:
        wrong = {**live, name: live[name].copy()}
        wrong[name][len(wrong[name]) // 2] += 1
        with pytest.raises(AssertionError):
            assert_same(wrong, TIGHT, own)


LIVE = ("gemma3", "gpt-oss", "mistral")  # six groups, two groups, one group with a window


@pytest.mark.parametrize("name", LIVE)
def test_the_account_of_a_live_engine_is_that_of_its_replay(kv_groups_served, name):
    """Slots of the account are tokens in one layer where there are several groups, those of the replay in a group."""
    own, _, capacity, generated, in_force = kv_groups_served[f"{name}@vllm"]
    requests = kv_group_models.requests_past_the_window()
    columns, _ = kv_rows(generated, requests, slot_bytes=own.slot_bytes, static_length=None, shared=False)
    computes = columns["allocated"] > 0  # not the closing row
    found = replay(
        Trace.of([request.prompt_tokens for request in requests], [request.output_tokens for request in requests]),
        Settings(
            "paged",
            capacity["blocks"] * own.block_size,
            block_size=own.block_size,
            max_length=own.max_length,
            max_step_tokens=in_force["max_num_batched_tokens"],
            windows=tuple(group.window or 0 for group in own.paging.groups),
        ),
        keep_steps=True,
    )
    for column in COMPARED:
        units = own.paging.page_units if column in ("allocated", *PARTS) else 1
        np.testing.assert_array_equal(units * found.steps[column], columns[column][computes], err_msg=column)
    assert columns["expired"].any()
