"""The replay equals the live engines on the CPU in every step, and the comparison can fail.

vLLM loads only once per process, so each configuration runs in a child: this file as a program, which answers a line
of JSON (requests and limits) with a line of JSON (rows of kv.parquet and the settings in force).
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.places import IMPORT_PATH
from builders.requests import request, requests_of
from builders.tiny import BLOCK, MAX_LENGTH, SLOT_BYTES, VOCABULARY, generate, tiny_requests, tiny_settings
from builders.vllm_children import ENVIRONMENT
from builders.workloads import workload
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kvbench.measure.kv_rows import kv_rows
from kvbench.records import SPLIT
from kvbench.replay import PARTS, Settings, Trace, replay

BLOCKS = 8
LENGTHS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 38)), min_size=1, max_size=12)
TIGHT = [(60, 30)] * 6
BRANCHES = ([(i % 3, 96, 2, 20) for i in range(9)], 64)  # from three texts with the same first 64 tokens
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
COMPARED = ("running", "waiting", "scheduled_tokens", "preemptions", "prefix_hit_tokens", "allocated", *PARTS)

# Limits by their names in the replay's settings; each makes a different limit of vLLM's scheduler bind.
LIMITS = (
    {},
    {"max_running": 3, "max_step_tokens": 40},
    {"max_step_tokens": 64, "long_prefill_tokens": 17},
    {"watermark_blocks": 2},
    {"prompt_must_fit": False, "max_step_tokens": 40},
)
ENGINES = {
    "plain": {},
    "large blocks": {"block_size": 2 * BLOCK},
    "prefix caching": {"prefix_sharing": True},
}


class Child:
    """A live vLLM in a process of its own."""

    def __init__(self, model, options, log):
        self.shared = "prefix_sharing" in options
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(model), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": IMPORT_PATH},
        )

    def __call__(self, requests, limits):
        """(Columns of kv.parquet, the replay's settings for the same run)."""
        asked = [(r.request_id, r.prompt_token_ids, r.output_tokens) for r in requests]
        print(json.dumps([asked, limits]), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, "vLLM's process has ended; its output is in vllm.log of the test's folder"
        rows, in_force = json.loads(answer)
        return {name: np.array(values) for name, values in rows.items()}, Settings(**in_force)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module", params=ENGINES)
def vllm(tiny, request, tmp_path_factory):
    with open(tmp_path_factory.mktemp("vllm") / "vllm.log", "w") as log:
        child = Child(tiny, ENGINES[request.param], log)
        yield child
        child.close()


def steps_of(generated, requests, static_length=None, shared=False):
    """Columns of kv.parquet without the closing rows, at which all blocks have been returned."""
    columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=static_length, shared=shared)
    closing = columns["allocated"] == 0
    assert closing[-1]
    assert not any(columns[name][closing].any() for name in ("running", "scheduled_tokens", *SPLIT))
    return {name: columns[name][~closing] for name in COMPARED}


def assert_same(live, replayed):
    for name in COMPARED:
        np.testing.assert_array_equal(replayed.steps[name], live[name], err_msg=name)


def same(live, trace, own):
    assert_same(live, replay(trace, own, keep_steps=True))


@EXAMPLES
@given(LENGTHS, st.sampled_from(LIMITS))
@example(TIGHT, {})
@example(TIGHT, LIMITS[3])
def test_paged_is_the_live_vllm_step_by_step(vllm, lengths, limits):
    live, own = vllm(tiny_requests(lengths), limits)
    same(live, Trace.of(*np.array(lengths).T), own)
    assert {name: getattr(own, name) for name in limits} == limits
    assert lengths != TIGHT or limits or live["preemptions"][-1] > 0


def grouped(members, branch_tokens=0):
    """Requests of (group, common tokens, own tokens, output): a prefix of the group's text, then its own tokens.

    The texts of all groups share their first `branch_tokens`.
    """
    rng = np.random.default_rng(7)
    texts = rng.integers(5, VOCABULARY, (3, 96))
    texts[:, :branch_tokens] = texts[0, :branch_tokens]
    prompts = [
        (*texts[group][:common].tolist(), 5 + i, *rng.integers(5, VOCABULARY, own - 1).tolist())
        for i, (group, common, own, _) in enumerate(members)
    ]
    return requests_of(zip(prompts, (output for *_, output in members), strict=True))


MEMBERS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0, 20, 32, 64, 96]), st.integers(1, 12), st.integers(1, 20)),
    min_size=1,
    max_size=14,
)


@EXAMPLES
@given(MEMBERS, st.sampled_from(LIMITS))
@example([(0, 64, 5, 20)] * 8, {})
@example([(i % 3, 64, 3 + i // 2, 20) for i in range(14)], {})
@example([(0, 32, 12, 20)] * 14, {})
def test_prefix_sharing_is_vllms_prefix_caching(vllm, members, limits):
    requests = grouped(members)
    group, common, _, output = np.array(members).T
    live, own = vllm(requests, limits)
    assert own.prefix_sharing == vllm.shared
    same(live, Trace.of([r.prompt_tokens for r in requests], output, None, group, common), own)


@settings(EXAMPLES, max_examples=20)
@given(MEMBERS, st.sampled_from([0, 32, 64]), st.sampled_from(LIMITS))
@example(*BRANCHES, {})
@pytest.mark.parametrize("vllm", ["prefix caching"], indirect=True)
def test_shared_prefixes_are_found_from_token_ids(vllm, members, branch_tokens, limits):
    """Nested prefixes too, which a single group per request cannot describe."""
    requests = grouped(members, branch_tokens)
    live, own = vllm(requests, limits)
    table = workload([r.prompt_token_ids for r in requests], [r.output_tokens for r in requests])
    same(live, Trace.from_table(table, prefix_sharing=True), own)
    assert (members, branch_tokens) != BRANCHES or live["prefix_hit_tokens"][-1] > 8 * 64


PADDED = [("hf-sequential", None), ("hf-batch", None), ("hf-batch", 2 * MAX_LENGTH), ("hf-static", 2 * MAX_LENGTH)]


@pytest.fixture(scope="module", params=PADDED)
def transformers(tiny, request):
    from kvbench.engines.transformers.padded import TransformersEngine

    name, max_context = request.param
    engine = TransformersEngine(dataclasses.replace(tiny_settings(tiny, name, BLOCKS), max_context=max_context))
    engine.prepare()
    engine.load()
    yield engine
    engine.close()


def padded_settings(engine):
    own = engine.settings
    return Settings(
        "hf-static" if own.engine == "hf-static" else "hf-batch",
        pool_slots=own.budget_bytes // own.slot_bytes,
        max_length=own.max_length,
        max_context=own.max_context,
        block_size=own.block_size,
        max_running=1 if own.engine == "hf-sequential" else 256,
    )


@settings(EXAMPLES, max_examples=12)
@given(LENGTHS)
@example([(3, 30), (90, 1), (20, 38), (90, 38), (1, 1)])
def test_padded_batches_are_transformers_step_by_step(transformers, lengths):
    requests = tiny_requests(lengths)
    generated = generate(transformers, requests)
    live = steps_of(generated, requests, MAX_LENGTH if transformers.settings.engine == "hf-static" else None)
    same(live, Trace.of(*np.array(lengths).T), padded_settings(transformers))


CHANGES = (
    {"block_size": BLOCK // 2},
    {"pool_slots": 7 * BLOCK},
    {"max_running": 2},
    {"max_step_tokens": 39},
    {"long_prefill_tokens": 30},
    {"watermark_blocks": 3},
)


@pytest.mark.parametrize("vllm", ["plain"], indirect=True)
def test_the_comparison_fails_where_a_setting_or_a_number_differs(vllm):
    live, own = vllm(tiny_requests(TIGHT), {})
    trace = Trace.of(*np.array(TIGHT).T)
    same(live, trace, own)
    for change in CHANGES:
        with pytest.raises(AssertionError):
            same(live, trace, dataclasses.replace(own, **change))
    for name in COMPARED:
        wrong = {**live, name: live[name].copy()}
        wrong[name][len(wrong[name]) // 2] += 1
        with pytest.raises(AssertionError):
            same(wrong, trace, own)


def set_limits(scheduler, limits):
    """Set limits in vLLM's scheduler between two passes; limits that are not named return to vLLM's own values."""
    config, manager = scheduler.scheduler_config, scheduler.kv_cache_manager
    scheduler.max_num_running_reqs = scheduler.max_num_active_reqs = limits.get("max_running", config.max_num_seqs)
    scheduler.max_num_scheduled_tokens = limits.get("max_step_tokens", config.max_num_batched_tokens)
    scheduler.scheduler_reserve_full_isl = limits.get("prompt_must_fit", config.scheduler_reserve_full_isl)
    config.long_prefill_token_threshold = limits.get("long_prefill_tokens", 0)
    manager.watermark_blocks = limits.get("watermark_blocks", 0)


def in_force(scheduler):
    """The replay's settings from vLLM's scheduler."""
    assert scheduler.scheduler_config.enable_chunked_prefill
    assert not scheduler.scheduler_config.async_scheduling
    return {
        "policy": "paged",
        "pool_slots": (scheduler.cache_config.num_gpu_blocks - 1) * scheduler.block_size,
        "block_size": scheduler.block_size,
        "max_length": scheduler.max_model_len,
        "max_running": scheduler.max_num_running_reqs,
        "max_step_tokens": scheduler.max_num_scheduled_tokens,
        "long_prefill_tokens": scheduler.scheduler_config.long_prefill_token_threshold,
        "watermark_blocks": scheduler.kv_cache_manager.watermark_blocks,
        "prompt_must_fit": scheduler.scheduler_reserve_full_isl,
        "prefix_sharing": scheduler.cache_config.enable_prefix_caching,
    }


def serve(model, options):
    """The child: run vLLM with these settings and answer lines on standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # vLLM's own output goes to the log
    from kvbench.engines.vllm.runner import VllmEngine

    engine = VllmEngine(dataclasses.replace(tiny_settings(Path(model), "vllm", BLOCKS), **options))
    engine.load()
    scheduler = engine.front.llm.llm_engine.engine_core.engine_core.scheduler
    for number, line in enumerate(sys.stdin):
        asked, limits = json.loads(line)
        requests = [request(prompt, output, name) for name, prompt, output in asked]
        set_limits(scheduler, limits)
        generated = engine.collect(generate(engine, requests), number)
        rows = steps_of(generated, requests, shared=scheduler.cache_config.enable_prefix_caching)
        answer = [{name: values.tolist() for name, values in rows.items()}, in_force(scheduler)]
        print(json.dumps(answer), file=answers, flush=True)
    engine.close()


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
