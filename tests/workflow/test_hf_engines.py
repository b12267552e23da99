"""Transformers engines on a tiny model: all return the same tokens, compile one shape, and end their threads."""

from __future__ import annotations

import dataclasses
import threading
from importlib.util import find_spec

import pytest
from builders.refusals import refused
from builders.tiny import MAX_LENGTH, SLOT_BYTES, generate, tiny_requests, tiny_settings

from kvbench.engines.attention import require_attention
from kvbench.engines.out_of_memory import OutOfMemory
from kvbench.engines.transformers import by_name as hf_engines
from kvbench.engines.transformers import padded as hf
from kvbench.engines.transformers.compilation import compiled_so_far
from kvbench.errors import UserError
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.passes import plan_passes

BLOCKS = 12  # three reservations of the maximum length
LENGTHS = [(20, 10), (5, 30), (61, 8), (33, 20), (90, 1), (2, 25), (40, 17)]


def settings_of(tiny, engine, **changes):
    return dataclasses.replace(tiny_settings(tiny, engine, BLOCKS), **changes)


def serve(engine, lengths=LENGTHS, passes=1):
    """What each pass generated; the engine stays open."""
    engine.load()
    requests = tiny_requests(lengths)
    found = []
    for number in range(passes):
        generated = generate(engine, requests)
        found.append(engine.collect(generated, number))
    return found


def tokens_of(settings):
    engine = hf_engines.make_engine(settings)
    try:
        [generated] = serve(engine)
    finally:
        engine.close()
    return [c.output_token_ids for c in generated.completions]


@pytest.mark.parametrize("engine", ["hf-batch", "hf-static", "hf-continuous"])
def test_greedy_tokens_are_those_of_one_request_at_a_time(tiny, engine):
    reference = tokens_of(settings_of(tiny, "hf-sequential"))
    assert [len(ids) for ids in reference] == [output for _, output in LENGTHS]
    assert len({tuple(ids) for ids in reference}) == len(reference)
    assert tokens_of(settings_of(tiny, engine)) == reference


def test_a_row_padded_beyond_the_maximum_length_returns_the_same_tokens(tiny):
    lengths = [(90, 2), (5, 100), (20, 10)]
    alone, batched = (hf_engines.make_engine(settings_of(tiny, name)) for name in ("hf-sequential", "hf-batch"))
    batched.settings = dataclasses.replace(batched.settings, max_context=2 * MAX_LENGTH, budget_bytes=10**9)
    try:
        [reference], [generated] = serve(alone, lengths), serve(batched, lengths)
    finally:
        alone.close()
        batched.close()
    assert [b.width.max() > MAX_LENGTH for b in generated.batches] == [True]
    assert [c.output_token_ids for c in generated.completions] == [c.output_token_ids for c in reference.completions]


def test_preempted_requests_return_the_same_tokens_and_sane_times(tiny):
    lengths = [(60, 30)] * 5
    engine = hf_engines.make_engine(settings_of(tiny, "hf-continuous", budget_bytes=8 * 32 * SLOT_BYTES))
    try:
        [generated] = serve(engine, lengths)
    finally:
        engine.close()
    assert sum(c.preemptions for c in generated.completions) > 0
    assert all(c.start_ns <= c.first_token_ns <= c.finish_ns for c in generated.completions)
    first = generated.schedule.t_ns[0]
    assert (
        min(c.start_ns for c in generated.completions) <= first <= min(c.first_token_ns for c in generated.completions)
    )
    assert generated.schedule.running[0] + generated.schedule.waiting[0] == len(lengths)


def test_sampling_reaches_continuous_batching(tiny):
    engine = hf_engines.make_engine(settings_of(tiny, "hf-continuous", temperature=0.7, top_p=0.95))
    try:
        serve(engine)
        found = engine.in_force()
    finally:
        engine.close()
    assert found["logits_processors"] == ["TemperatureLogitsWarper", "TopPLogitsWarper"]
    assert found["do_sample"] is True
    assert found["options"]["num_blocks"] == BLOCKS
    assert found["options"]["page_size"] == 32


def test_a_failed_pass_leaves_no_thread(tiny, monkeypatch):
    before = threading.active_count()
    engine = hf_engines.make_engine(settings_of(tiny, "hf-continuous"))
    engine.load()
    assert threading.active_count() > before

    def broken(*args, **kwargs):
        raise ValueError("no such kernel")

    monkeypatch.setattr(engine.model, "forward", broken)
    with pytest.raises(RuntimeError, match="no such kernel"):
        generate(engine, tiny_requests(LENGTHS))
    engine.close()
    engine.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("name", ["num_blocks", "page_size", "allow_block_sharing", "use_async_batching"])
def test_options_that_the_budget_sets_are_refused(tiny, name):
    engine = hf_engines.make_engine(settings_of(tiny, "hf-continuous", options={name: 1}))
    with pytest.raises(UserError, match=f"engines.hf-continuous.{name}: kvbench sets this option itself"):
        engine.load()
    engine.close()


def test_unknown_options_are_refused(tiny):
    engine = hf_engines.make_engine(settings_of(tiny, "hf-continuous", options={"page_sice": 1}))
    with pytest.raises(UserError, match=r"engines.hf-continuous: .*page_sice"):
        engine.load()


@pytest.fixture
def compiling_on_a_cpu(tiny, monkeypatch):
    """The compiled engine with a backend that needs neither a compiler nor CUDA graphs."""
    from transformers import CompileConfig

    monkeypatch.setattr(hf, "refuse_device", lambda settings: None)
    engine = hf_engines.make_engine(settings_of(tiny, "hf-static-compiled"))
    load = engine.load

    def load_and_compile():
        times = load()
        config = CompileConfig(backend="aot_eager", mode=None)
        config._compile_all_devices = True
        engine.model.generation_config.compile_config = config
        return times

    monkeypatch.setattr(engine, "load", load_and_compile)
    yield engine
    engine.close()


def test_compiled_decoding_has_one_shape_and_the_same_tokens(tiny, compiling_on_a_cpu):
    before = compiled_so_far()["graphs"]
    first, second = serve(compiling_on_a_cpu, passes=2)
    found = compiling_on_a_cpu.in_force()
    assert found["compiled_in_warm_up"]["graphs"] > before
    assert found["compiled"]["graphs"] == found["compiled_in_warm_up"]["graphs"]
    assert [c.output_token_ids for c in second.completions] == tokens_of(settings_of(tiny, "hf-static"))
    assert [len(b.request_ids) for b in second.batches] == [3, 3, 1]
    assert [b.empty_rows for b in second.batches] == [0, 0, 2]
    columns, _ = kv_rows(first, tiny_requests(LENGTHS), slot_bytes=SLOT_BYTES, static_length=MAX_LENGTH, shared=False)
    assert set(columns["pool"]) == {3 * MAX_LENGTH}
    assert columns["allocated"][-2] == MAX_LENGTH


def test_the_warm_up_compiles_all_that_wider_and_longer_batches_need(compiling_on_a_cpu):
    engine = compiling_on_a_cpu
    engine.load()
    warm_up, timed = plan_passes(engine.settings.engine, tiny_requests(LENGTHS), 1, 0, read_blocks=False)
    for one in (warm_up, timed):
        engine.collect(generate(engine, one.requests), one.repeat)
    assert max(r.output_tokens for r in warm_up.requests) < max(r.output_tokens for r in timed.requests)
    found = engine.in_force()
    assert found["compiled"]["graphs"] == found["compiled_in_warm_up"]["graphs"]


def scarce(engine, most, monkeypatch):
    """Let the engine's model run out of memory in a late step of any batch of more than `most` rows."""
    import torch

    forward, steps = engine.model.forward, iter(range(10**6))

    def limited(*args, **kwargs):
        if kwargs["input_ids"].shape[0] > most and next(steps) % 5 == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(*args, **kwargs)

    monkeypatch.setattr(engine.model, "forward", limited)


@pytest.mark.parametrize(("name", "rows"), [("hf-batch", 4), ("hf-static", 3)])
def test_a_batch_out_of_memory_says_so_and_leaves_nothing(tiny, monkeypatch, name, rows):
    engine = hf_engines.make_engine(settings_of(tiny, name))
    engine.load()
    scarce(engine, 2, monkeypatch)
    with pytest.raises(OutOfMemory) as error:
        generate(engine, tiny_requests(LENGTHS))
    assert error.value.rows == rows
    assert engine.static_cache is None
    engine.limit_rows(2)
    generated = generate(engine, tiny_requests(LENGTHS))
    assert max(len(b.request_ids) for b in generated.batches) == 2
    assert engine.capacity()["batch_rows"] == 2
    engine.close()


@pytest.mark.parametrize(
    ("rows", "batch"), [(1, [(90, 1)]), (2, [(90, 1), (2, 25)]), (3, [(33, 20), (90, 1), (2, 25)])]
)
def test_the_costliest_batch_has_most_rows_then_the_largest_cache(tiny, rows, batch):
    engine = hf_engines.make_engine(settings_of(tiny, "hf-batch"))
    assert [(r.prompt_tokens, r.output_tokens) for r in engine.costliest_batch(tiny_requests(LENGTHS), rows)] == batch


def test_other_errors_are_not_taken_for_want_of_memory(tiny, monkeypatch):
    engine = hf_engines.make_engine(settings_of(tiny, "hf-batch"))
    engine.load()
    monkeypatch.setattr(engine.model, "forward", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(engine, tiny_requests(LENGTHS))
    engine.close()


def test_attention_makes_no_plan_for_each_new_length(tiny):
    import torch

    torch.backends.cuda.enable_cudnn_sdp(True)
    engine = hf_engines.make_engine(settings_of(tiny, "hf-batch"))
    engine.load()
    assert engine.in_force()["sdpa_backends"] == ["flash", "mem_efficient", "math"]
    engine.close()


@pytest.mark.parametrize(
    ("wish", "reason"), [("flash_attention_2", "doesn't seem to be installed"), ("flesh", "is not supported")]
)
def test_attention_that_is_not_there_is_refused_with_its_key(wish, reason):
    require_attention({"hf-static": "sdpa", "hf-continuous": "eager"})
    if wish == "flash_attention_2" and find_spec("flash_attn"):
        pytest.skip("it is there")
    with refused(rf"engines.hf-batch.attn_implementation: {wish}: .*{reason}.*sdpa"):
        require_attention({"hf-static": "sdpa", "hf-batch": wish})
