"""The order of a run: warm-up, timed passes per scope, then the pass that reads block ids."""

import pytest
from builders.requests import requests_of

from kvbench.engines.names import ENGINES
from kvbench.measure.passes import WARM_UP_TOKENS, kept_in, plan_passes, read_in, upkeep_in

REQUESTS = requests_of([(1 + i, 10 + i) for i in range(6)])


def plan(engine, subset, **kwargs):
    return plan_passes(engine, REQUESTS, 2, subset, read_blocks=kwargs.get("blocks", False))


def test_batching_engines_run_the_whole_and_the_subset():
    passes = plan("hf-batch", 4)
    assert [(p.scope, p.timed, len(p.requests)) for p in passes] == [
        ("all", False, 6),
        ("all", True, 6),
        ("all", True, 6),
        ("sequential", True, 4),
        ("sequential", True, 4),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_only_arms_of_a_ratio_with_a_sequential_engine_run_the_subset(engine):
    scopes = {p.scope for p in plan(engine, 4)}
    if engine.endswith("-sequential"):
        assert scopes == {"sequential"}
    else:
        arms = ("hf-batch", "vllm-contiguous", "vllm-reserved", "vllm")
        assert scopes == ({"all", "sequential"} if engine in arms else {"all"})


def test_sequential_engines_run_only_the_subset():
    assert {(p.scope, len(p.requests)) for p in plan("vllm-sequential", 4)} == {("sequential", 4)}


@pytest.mark.parametrize("subset", [0, 6, 99])
def test_a_subset_that_is_the_whole_is_one_scope(subset):
    for engine in ("hf-sequential", "vllm"):
        assert {(p.scope, len(p.requests)) for p in plan(engine, subset)} == {("all", 6)}


def test_passes_are_numbered_in_order_and_named_once():
    passes = plan("vllm", 4, blocks=True)
    assert [p.repeat for p in passes] == list(range(len(passes)))
    assert len({p.phase for p in passes}) == len(passes)


def test_warm_up_and_block_passes_are_not_timed():
    passes = plan("vllm", 4, blocks=True)
    assert [p.phase for p in passes if not p.timed] == ["warm-up", "blocks"]
    assert {r.output_tokens for r in passes[0].requests} == {WARM_UP_TOKENS}
    assert [r.output_tokens for r in passes[-1].requests] == [r.output_tokens for r in REQUESTS]


@pytest.mark.parametrize(("engine", "served"), [("hf-batch", 1), ("hf-static-compiled", 6)])
def test_engines_that_compile_warm_up_on_the_rows_that_are_timed(engine, served):
    warm_up = plan_passes(engine, REQUESTS, 1, 0, read_blocks=False, warm_up_requests=1)[0]
    assert [r.output_tokens for r in warm_up.requests] == [WARM_UP_TOKENS] * served


def test_upkeep_is_timed_where_block_ids_are_read_or_in_a_pass_of_its_own():
    together = plan("vllm", 0, blocks=True)
    alone = plan_passes("vllm", REQUESTS, 2, 0, read_blocks=True, upkeep_alone=True)
    assert [p.phase for p in alone if not p.timed] == ["warm-up", "blocks", "upkeep"]
    assert (read_in(together), upkeep_in(together)) == ([3], [3])
    assert (read_in(alone), upkeep_in(alone)) == ([3], [4])
    assert alone[4].requests == alone[3].requests
    assert read_in(plan("hf-batch", 0)) == upkeep_in(plan("hf-batch", 0)) == []


@pytest.mark.parametrize("alone", [False, True])
def test_the_last_pass_finds_the_cache_as_the_one_before_it_has_left_it(alone):
    given = {"read_blocks": True, "upkeep_alone": alone}
    passes = plan_passes("vllm", REQUESTS, 2, 0, keep_cache=True, **given)
    assert [p.phase for p in passes if not p.timed] == ["warm-up", "blocks", *(["upkeep"] if alone else []), "again"]
    assert kept_in(passes) == [passes[-2].repeat]
    assert passes[-1].requests == passes[-2].requests
    assert kept_in(plan_passes("vllm", REQUESTS, 2, 0, **given)) == []
