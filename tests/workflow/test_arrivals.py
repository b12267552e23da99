"""Live engines serve requests as they arrive: the same tokens as at once, exact times, and the identities of the KV."""

import dataclasses
import time

import numpy as np
import pytest
from builders.tiny import BLOCK, MAX_LENGTH, SLOT_BYTES, generate, tiny_requests, tiny_settings

from kvbench.engines.names import SEQUENTIAL, is_static
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.request_time import Limits, time_parts
from kvbench.records import TIME_PARTS
from kvbench.workload.arrivals import due_s

BLOCKS = 8
LENGTHS = [(20 + 7 * (n % 5), 5 + 11 * (n % 4)) for n in range(24)]
ENGINES = [
    *("hf-sequential", "hf-batch", "hf-static", "hf-continuous"),
    *("vllm-sequential", "vllm-contiguous", "vllm-reserved", "vllm"),
]


@pytest.fixture(scope="module", params=ENGINES)
def served(request, tiny):
    """An engine, its requests, the same served at once, and served over time at a rate that makes them wait."""
    name = request.param
    settings = dataclasses.replace(tiny_settings(tiny, name, BLOCKS), arrivals=True)
    if name.startswith("vllm"):
        from kvbench.engines.vllm.runner import VllmEngine as make
    else:
        from kvbench.engines.transformers.by_name import make_engine as make
    engine = make(settings)
    engine.prepare(RecordedPasses(blocks=[1]))
    engine.load()
    requests = tiny_requests(LENGTHS)
    at_once = engine.collect(generate(engine, requests), 0)
    start = time.monotonic_ns()
    due_ns = [start + round(t * 1e9) for t in due_s(len(requests), 100, 0, 1)]
    over_time = engine.collect(engine.generate(requests, lambda n: None, None, lambda part: None, due_ns), 1)
    limits = Limits.of(name, engine.in_force(), engine.capacity()["batch_rows"])
    yield name, requests, at_once, over_time, due_ns, limits
    engine.close()


def test_tokens_are_those_of_requests_submitted_at_once(served):
    _, _, at_once, over_time, _, _ = served
    assert [c.output_token_ids for c in over_time.completions] == [c.output_token_ids for c in at_once.completions]


def test_times_are_in_order_and_no_request_is_submitted_early(served):
    _name, _, at_once, over_time, due_ns, _ = served
    assert [c.due_ns for c in over_time.completions] == due_ns
    for one in over_time.completions:
        received = one.submitted_ns if one.received_ns is None else one.received_ns
        assert one.due_ns <= one.submitted_ns <= received <= one.first_token_ns <= one.finish_ns
        if one.token_ns is not None:
            assert len(one.token_ns) == len(one.output_token_ids)
            assert one.token_ns == sorted(one.token_ns)
    assert at_once.completions[0].due_ns is None


def test_first_come_first_served(served):
    """Only Transformers lets a request overtake, past one whose prompt needs more blocks than are free."""
    name, requests, _, over_time, _, _ = served
    sizes = [-(-len(r.prompt_token_ids) // BLOCK) if name == "hf-continuous" else 0 for r in requests]
    # Transformers forgets the first start of a preempted request.
    begun = [(c.start_ns, size) for c, size in zip(over_time.completions, sizes, strict=True) if not c.preemptions]
    for number, (start, size) in enumerate(begun):
        assert all(start <= later_start or size > later for later_start, later in begun[number + 1 :])


def test_the_parts_of_a_requests_time_add_up_to_it(served):
    name, requests, _, over_time, _, limits = served
    parts = time_parts(over_time, requests, limits, name in SEQUENTIAL)
    assert parts.shape == (len(TIME_PARTS), len(requests))
    assert parts.min() >= 0
    np.testing.assert_array_equal(parts.sum(axis=0), [c.finish_ns - c.due_ns for c in over_time.completions])
    spent = dict(zip(TIME_PARTS, parts.sum(axis=1), strict=True))
    assert spent["prefill_ns"] > 0
    assert spent["decode_ns"] + spent["beside_prefill_ns"] > 0
    waits = "limit_wait_ns" if name in SEQUENTIAL else "memory_wait_ns"
    assert spent[waits] > 0
    assert (spent["batch_wait_ns"] > 0) == (name in ("hf-batch", "hf-static"))
    assert (spent["preempted_ns"] > 0) == any(c.preemptions for c in over_time.completions)


def test_the_identities_of_the_cache_hold(served):
    name, requests, _, over_time, _, _ = served
    width = MAX_LENGTH if is_static(name) else None
    columns, found = kv_rows(over_time, requests, slot_bytes=SLOT_BYTES, static_length=width, shared=False)
    assert found
    assert columns["waiting"].min() >= 0
    assert columns["waiting"].max() > 0
    assert columns["scheduled_tokens"].sum() >= sum(p + o - 1 for p, o in LENGTHS)


def test_requests_at_once_have_no_parts(served):
    name, requests, at_once, _, _, limits = served
    assert time_parts(at_once, requests, limits, name in SEQUENTIAL) is None
