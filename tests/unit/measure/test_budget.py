"""One KV budget, resolved the same way for every engine."""

from dataclasses import replace

import pytest
from builders.engine_settings import engine_settings
from builders.refusals import refused
from builders.requests import request

from kvbench.engines.base import refuse_device, refuse_options
from kvbench.engines.transformers.batches import batch_bytes, fixed_rows, plan_batches
from kvbench.engines.vllm.arguments import own_arguments
from kvbench.errors import UserError
from kvbench.measure.budget import ACTIVATION_RESERVE, kv_budget_bytes

MIB = 2**20


def test_mib_are_taken_as_given():
    assert kv_budget_bytes(48, 0.8, 0, 100 * MIB, 0, 1) == 48 * MIB


def test_auto_leaves_room_for_weights_and_activations():
    budget = kv_budget_bytes("auto", 0.8, 1000 * MIB, 1000 * MIB, 100 * MIB, 1)
    assert budget == int(1000 * MIB * (0.8 - ACTIVATION_RESERVE)) - 100 * MIB


@pytest.mark.parametrize(
    ("wish", "free", "row", "words"),
    [(1, 100 * MIB, 2 * MIB, "does not hold one request"), (64, 32 * MIB, 1, "exceed the 32 MiB of free memory")],
)
def test_a_budget_that_cannot_work_is_refused_by_name(wish, free, row, words):
    with refused("kv_budget_mib") as error:
        kv_budget_bytes(wish, 0.8, 0, free, 0, row)
    assert words in str(error.value)


def test_an_option_that_a_library_refuses_is_named_and_without_options_the_error_stays():
    error = ValueError("two\nlines")
    refuse_options(engine_settings(), "vLLM", error)
    line = r"config.yaml: engines.hf-batch: vLLM cannot be loaded with the options a: \"8\""
    with pytest.raises(UserError, match=line):
        refuse_options(replace(engine_settings(), options={"a": "8"}), "vLLM", error)


def test_reservations_are_whole_blocks():
    s = engine_settings(max_length=65, budget_bytes=96 * 3 + 95)
    assert s.row_bytes == 96
    assert s.reserved_rows == 3
    assert s.budget_blocks == (96 * 3 + 95) // 32


def test_sequential_batches_are_single():
    assert [len(b) for b in plan_batches(engine_settings("hf-sequential"), [request(5, 5)] * 3)] == [1, 1, 1]


def test_growing_batches_fill_the_budget_and_no_more():
    s = engine_settings(budget_bytes=3 * (10 + 5 - 1))
    batches = plan_batches(s, [request(10, 5)] * 7)
    assert [len(b) for b in batches] == [3, 3, 1]
    assert all(batch_bytes(s, b) <= s.budget_bytes for b in batches)


def test_a_longer_request_ends_the_batch_that_it_would_blow_up():
    s = engine_settings(budget_bytes=60)
    assert [len(b) for b in plan_batches(s, [request(5, 5), request(40, 5), request(5, 5)])] == [1, 1, 1]


@pytest.mark.parametrize(
    ("engine", "max_context", "rows"),
    [("hf-batch", 80, [2]), ("hf-batch", 79, [1, 1]), ("hf-batch", None, [1, 1]), ("hf-static", 80, [1, 1])],
)
def test_padding_may_pass_the_maximum_length_but_neither_a_static_row_nor_the_models_positions(
    engine, max_context, rows
):
    s = engine_settings(engine, budget_bytes=10**6, max_length=50, max_context=max_context)
    assert [len(b) for b in plan_batches(s, [request(40, 5), request(5, 40)])] == rows


def test_static_batches_hold_as_many_reservations_as_fit():
    s = engine_settings("hf-static", budget_bytes=96 * 2 + 1, max_length=96)
    assert [len(b) for b in plan_batches(s, [request(5, 5)] * 5)] == [2, 2, 1]


def test_a_request_beyond_the_budget_is_refused():
    with pytest.raises(UserError, match="kv_budget_mib"):
        plan_batches(engine_settings(budget_bytes=20), [request(30, 5)])


def test_a_reserved_engine_admits_what_reservations_hold():
    s = engine_settings("vllm-reserved", max_length=65, budget_bytes=96 * 3 + 95)
    assert s.reserved_row_slots == 96
    assert own_arguments(s) == {"max_num_seqs": 3}


def test_a_budget_below_one_reservation_is_refused():
    with pytest.raises(UserError, match=r"kv_budget_mib: .* does not hold one request of max_length"):
        own_arguments(engine_settings("vllm-reserved", max_length=65, budget_bytes=95))


@pytest.mark.parametrize("engine", ["hf-static-compiled", "vllm-eager"])
def test_engines_that_need_cuda_are_refused_on_a_cpu(engine):
    with refused(f"device: {engine} needs a CUDA device: .*; use "):
        refuse_device(engine_settings(engine))
    refuse_device(engine_settings("vllm"))


@pytest.mark.parametrize(("requests", "rows"), [(2, 2), (3, 3), (40, 3)])
def test_compiled_batches_are_filled_up_to_one_shape(requests, rows):
    s = engine_settings("hf-static-compiled", budget_bytes=96 * 3 + 1, max_length=96)
    shortened = [request(5, 4)] * requests
    assert fixed_rows(s, [request(5, 50)] * requests) == fixed_rows(s, shortened) == rows
    assert max(len(b) for b in plan_batches(s, shortened)) <= rows
    assert fixed_rows(engine_settings("hf-static", budget_bytes=96 * 3 + 1, max_length=96), shortened) == 0
