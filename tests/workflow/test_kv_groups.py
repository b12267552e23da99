"""Models with windows, hybrid layers and latent caches: identities of the account on live engines of both libraries."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from builders.kv_group_models import (
    EQUAL_TEXT,
    SERVED,
    SHAPES,
    WINDOW,
    requests_past_the_window,
    settings_of,
)
from builders.tiny import generate

from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.engines.transformers.by_name import make_engine
from kvbench.errors import UserError
from kvbench.kv.checks import AccountingError
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.loading import check_pool
from kvbench.records import SPLIT

WINDOWED = ("gemma3", "gemma3-padded", "gpt-oss", "mistral")


def transformers(name: str, folder: Path, engine_name: str) -> tuple:
    engine = make_engine(settings_of(name, folder, engine_name))
    engine.prepare(RecordedPasses([0]))
    try:
        engine.load()
        loaded = check_pool(engine)
        generated = engine.collect(generate(engine, requests_past_the_window()), 0)
        return engine.settings, loaded, engine.capacity(), generated
    finally:
        engine.close()


@pytest.fixture(scope="module")
def hf(kv_group_models: dict[str, Path]):
    """What a Transformers engine did, made once for each model and engine, on one thread: several would wait for each
    other longer than such models compute.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made: dict[tuple[str, str], tuple] = {}

    def of(name: str, engine: str) -> tuple:
        if (name, engine) not in made:
            made[name, engine] = transformers(name, kv_group_models[name], engine)
        return made[name, engine]

    yield of
    torch.set_num_threads(threads)


def rows(found: tuple, **changes) -> tuple[dict, dict]:
    """The columns of kv.parquet and the samples checked; `changes` are of the recorded schedule."""
    settings, _, _, generated, *_ = found
    if changes:
        generated = dataclasses.replace(generated, schedule=dataclasses.replace(generated.schedule, **changes))
    static = settings.max_length if settings.engine == "hf-static" else None
    requests = requests_past_the_window()
    return kv_rows(generated, requests, slot_bytes=settings.slot_bytes, static_length=static, shared=False)


def check_columns(name: str, columns: dict) -> None:
    assert all((columns[part] >= 0).all() for part in SPLIT)
    assert (sum(columns[part] for part in SPLIT) == columns["allocated"]).all()
    assert columns["live"].max() > 0
    assert (columns["expired"].sum() > 0) == (name in WINDOWED)
    several = len(set(SHAPES_KINDS[name])) > 1
    assert (columns["groups"][0] is not None) == several
    for step, groups in enumerate(columns["groups"]):
        for part in ("allocated", *SPLIT) if groups else ():
            assert sum(group[part] for group in groups) == columns[part][step]


SHAPES_KINDS = {
    "gemma3": ("sliding", "full"),
    "gemma3-padded": ("sliding", "full"),
    "gpt-oss": ("sliding", "full"),
    "mistral": ("sliding",),
    "one-kv-head": ("full",),
    "deepseek-v2": ("mla",),
    "deepseek-v3": ("mla",),
}


@pytest.mark.parametrize("name", SHAPES)
def test_groups_are_read_from_the_configuration(kv_group_models, name):
    assert tuple(group.kind for group in settings_of(name, kv_group_models[name], "vllm").groups) == SHAPES_KINDS[name]


@pytest.mark.parametrize("name", SERVED)
def test_identities_hold_on_vllm(kv_groups_served, name):
    settings, loaded, capacity, generated, _ = kv_groups_served[name]
    columns, found = rows(kv_groups_served[name])
    check_columns(name.partition("@")[0], columns)
    steps = len(generated.schedule.t_ns)
    assert loaded == {"pool_bytes": 1}
    assert found["blocks_in_use"] == found["distinct_block_ids"] == found["filled_slots"] == steps
    assert columns["pool"][0] == capacity["pool_slots"] == capacity["pool_bytes"] // settings.slot_bytes
    assert capacity["pool_bytes"] <= settings.budget_bytes
    assert [len(c.output_token_ids) for c in generated.completions] == [
        r.output_tokens for r in requests_past_the_window()
    ]
    assert (columns["page_padding"].sum() > 0) == (name == "gemma3-padded@vllm")
    if name in ("gemma3@vllm", "gpt-oss@vllm", "mistral@vllm"):
        assert columns["preemptions"][-1] >= 0
        given_back = generated.schedule.block_ids == 0
        assert given_back.any()


@pytest.mark.parametrize("engine", ["hf-batch", "hf-static"])
@pytest.mark.parametrize("name", [name for name in SHAPES if name != "gemma3-padded"])
def test_identities_hold_on_padded_batches(hf, name, engine):
    columns, found = rows(hf(name, engine))
    check_columns(name, columns)
    assert found["cache_width"] == found["cache_bytes"] * len(SHAPES_KINDS[name]) > 0
    assert columns["page_padding"].sum() == 0


@pytest.mark.parametrize("name", ["gemma3", "gpt-oss", "mistral", "one-kv-head"])
def test_identities_hold_on_continuous_batching(hf, name):
    settings, loaded, capacity, generated = hf(name, "hf-continuous")
    columns, found = rows((settings, loaded, capacity, generated))
    check_columns(name, columns)
    assert loaded == {"pool_bytes": 1}
    assert found["blocks_in_use"] == found["distinct_block_ids"] == len(generated.schedule.t_ns)
    assert capacity["pool_bytes"] <= settings.budget_bytes


def test_transformers_cannot_page_a_latent_cache(kv_group_models):
    with pytest.raises(UserError, match=r"hf-continuous allocates .* bytes per token, but the model's cache needs"):
        transformers("deepseek-v3", kv_group_models["deepseek-v3"], "hf-continuous")


@pytest.mark.parametrize("name", EQUAL_TEXT)
def test_engines_generate_the_same_tokens_past_the_window(kv_groups_served, hf, name):
    """The parity gate's question: 16 prompts in float32, greedy."""
    expected = [c.output_token_ids for c in hf(name, "hf-batch")[3].completions]
    requests = requests_past_the_window()
    assert all(r.prompt_tokens + r.output_tokens > WINDOW for r in requests)
    assert len({tuple(ids) for ids in expected}) == 16
    for found in (kv_groups_served[f"{name}@vllm"], hf(name, "hf-static"), hf(name, "hf-continuous")):
        got = [c.output_token_ids for c in found[3].completions]
        assert [a == b for a, b in zip(got, expected, strict=True)].count(True) == 16


# Each identity fails when one side of it is wrong.


def test_a_block_too_few_in_use_is_found(kv_groups_served):
    schedule = kv_groups_served["gemma3@vllm"][3].schedule
    with pytest.raises(AccountingError, match="blocks in use"):
        rows(kv_groups_served["gemma3@vllm"], free_blocks=schedule.free_blocks + 1)


def test_another_window_is_found(kv_groups_served):
    paging = kv_groups_served["gemma3@vllm"][3].schedule.paging
    wider = [dataclasses.replace(g, window=g.window and g.window + 32) for g in paging.groups]
    with pytest.raises(AccountingError, match="blocks in use"):
        rows(kv_groups_served["gemma3@vllm"], paging=dataclasses.replace(paging, groups=tuple(wider)))


def test_a_block_that_was_not_given_back_is_found(kv_groups_served):
    schedule = kv_groups_served["gpt-oss@vllm"][3].schedule
    ids = schedule.block_ids.copy()
    ids[np.flatnonzero(ids == 0)[0]] = ids.max() + 1
    with pytest.raises(AccountingError, match="distinct block ids"):
        rows(kv_groups_served["gpt-oss@vllm"], block_ids=ids)


def test_a_block_in_two_tables_is_found(kv_groups_served):
    schedule = kv_groups_served["gpt-oss@vllm"][3].schedule
    ids = schedule.block_ids.copy()
    first, second = (int(np.flatnonzero(schedule.block_group == g)[0]) for g in (0, 1))
    begins = np.cumsum(schedule.block_length) - schedule.block_length
    ids[begins[second]] = ids[begins[first]]
    with pytest.raises(AccountingError, match="distinct block ids"):
        rows(kv_groups_served["gpt-oss@vllm"], block_ids=ids)


def test_a_tensor_of_another_width_is_found(hf):
    settings, loaded, capacity, generated = hf("gemma3", "hf-batch")
    batch = generated.batches[0]
    width = batch.width.copy()
    width[-1, 0] += 1
    wrong = dataclasses.replace(generated, batches=[dataclasses.replace(batch, width=width), *generated.batches[1:]])
    with pytest.raises(AccountingError, match="bytes of the cache"):
        rows((settings, loaded, capacity, wrong))
    more = batch.tensor_bytes.copy()
    more[-1] += batch.rows[-1] * settings.groups[0].token_elements * 4
    batch = dataclasses.replace(batch, width=width, tensor_bytes=more)
    wrong = dataclasses.replace(generated, batches=[batch, *generated.batches[1:]])
    with pytest.raises(AccountingError, match="width of the cache"):
        rows((settings, loaded, capacity, wrong))
