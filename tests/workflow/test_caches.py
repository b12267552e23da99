"""Prefix hits and number types of the cache on live engines: units, reasons, counters, and what is refused."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from builders.places import IMPORT_PATH
from builders.serve_caches import BLOCK, REFUSED, SHARING, alike

from kvbench.analysis.tables.prefix_hits_filling import Read, Rules
from kvbench.analysis.tables.prefix_hits_reasons import REASONS, Asked, reasons
from kvbench.kv.checks import AccountingError
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.run_files import block_table

REQUESTS = alike()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("caches")
    done = subprocess.run(
        [sys.executable, "-m", "builders.serve_caches", str(folder)],
        env={**os.environ, "PYTHONPATH": IMPORT_PATH, "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return pickle.loads((folder / "found.pickle").read_bytes())


def asked_of(generated) -> list[Asked]:
    pairs = zip(REQUESTS, generated.completions, strict=True)
    return [
        Asked(r.request_id, r.prompt_token_ids, (*r.prompt_token_ids, *c.output_token_ids[:-1]), c.cached_tokens)
        for r, c in pairs
    ]


def reads_of(generated) -> list[Read]:
    rows = block_table(0, REQUESTS, generated.schedule).to_pylist()
    return [Read(r["step"], r["request_id"], r["group"], r["computed_tokens"], r["block_ids"]) for r in rows]


def why(found: dict, reads: list[Read]) -> list[dict]:
    groups = found["settings"].paging.groups
    vllm = found["settings"].engine == "vllm"
    asked = asked_of(found["passes"][0])
    rules = Rules(interval=found["interval"]) if vllm else Rules(at_once=False, null_block=None)
    return reasons(asked, groups, BLOCK, reads, rules)


def total(rows: list[dict], name: str) -> int:
    return sum(row[name] for row in rows)


@pytest.mark.parametrize("name", SHARING)
def test_all_identities_hold_with_shared_blocks(served, name):
    for generated in served[name]["passes"]:
        settings = served[name]["settings"]
        columns, found = kv_rows(generated, REQUESTS, slot_bytes=settings.slot_bytes, static_length=None, shared=True)
        assert found["blocks_shared"] == len(generated.schedule.t_ns)
        assert found["distinct_block_ids"] > 0
        assert (columns["allocated"] < columns["unshared"]).any()


@pytest.mark.parametrize("name", SHARING)
def test_every_token_that_begins_alike_was_found_or_has_a_reason(served, name):
    rows = why(served[name], reads_of(served[name]["passes"][0]))
    assert [row["unexplained"] for row in rows] == [0] * len(rows)
    assert all(row["found"] + sum(row[reason] for reason in REASONS) == row["alike"] for row in rows)
    assert total(rows, "found") > 0
    assert total(rows, "last_token") >= BLOCK  # a prompt of 64 tokens, asked twice
    assert total(rows, "shorter_than_unit") >= 20
    assert (total(rows, "evicted") > 0) == name.endswith("small")


def test_vllm_keeps_blocks_of_a_window_only_where_prompts_end_or_part(served):
    """The last two requests part from others after 96 tokens: only the second of them finds these in a window.

    The first finds a block, which the prompts of 64 tokens have kept.
    """
    found = served["gemma3"]
    if found["interval"] is None:
        pytest.skip("this vLLM keeps all blocks of a window")
    rows = why(found, reads_of(found["passes"][0]))
    assert [(row["found"], row["not_kept"]) for row in rows[-2:]] == [(32, 64), (96, 0)]
    assert [row["found"] for row in why(served["llama"], reads_of(served["llama"]["passes"][0]))[-2:]] == [96, 96]


def test_transformers_finds_only_what_an_earlier_step_has_computed(served):
    """Requests that are admitted together do not find each other's blocks, as those of vLLM do."""
    rows = why(served["hf"], reads_of(served["hf"]["passes"][0]))
    assert [row["unexplained"] for row in rows] == [0] * len(rows)
    assert total(rows, "not_computed_yet") > 0
    for name in SHARING:
        assert total(why(served[name], reads_of(served[name]["passes"][0])), "not_computed_yet") == 0


@pytest.mark.parametrize("name", SHARING)
def test_a_block_table_that_is_wrong_leaves_hits_unexplained(served, name):
    """If the first request's blocks had other numbers, what others share with it would not have been there."""
    reads = [
        read._replace(blocks=[block and block + 1000 for block in read.blocks]) if read.request_id == "r0" else read
        for read in reads_of(served[name]["passes"][0])
    ]
    half = [read._replace(computed=read.computed // 2) for read in reads]
    assert total(why(served[name], half), "unexplained") != 0


@pytest.mark.parametrize("name", SHARING)
def test_the_engine_s_own_counters_are_the_sums_over_requests(served, name):
    for generated in served[name]["passes"]:
        counts = generated.prefix_counts
        assert counts.looked_up_tokens == sum(r.prompt_tokens for r in REQUESTS)
        assert counts.found_tokens == sum(c.cached_tokens for c in generated.completions)


@pytest.mark.parametrize("name", SHARING)
def test_a_cache_that_is_not_emptied_finds_more_until_it_is(served, name):
    first, again, emptied = (p.prefix_counts.found_tokens for p in served[name]["passes"])
    assert first == emptied
    assert again >= first
    whole = sum((r.prompt_tokens - 1) // BLOCK * BLOCK for r in REQUESTS)
    assert (again == whole) == (not name.endswith("small"))


def test_shared_blocks_of_a_window_are_checked_against_the_free_list(served):
    """A free list with one block more is noticed in a model with windows too."""
    found = served["gemma3"]
    generated = found["passes"][0]
    schedule = dataclasses.replace(generated.schedule, free_blocks=generated.schedule.free_blocks + 1)
    broken = dataclasses.replace(generated, schedule=schedule)
    with pytest.raises(AccountingError, match="distinct block ids"):
        kv_rows(broken, REQUESTS, slot_bytes=found["settings"].slot_bytes, static_length=None, shared=True)


def test_an_fp8_cache_has_a_byte_an_element_or_is_refused_by_name(served):
    found = served["fp8"]
    if isinstance(found, str):
        assert "config.yaml: kv_dtype: fp8: vLLM cannot keep" in found
        assert "AVX-512" in found
        return
    assert found["settings"].slot_bytes == 2 * 2 * 2 * 32  # K and V, layers, KV heads, head size
    assert found["loaded"]["pool_bytes"] == 1
    tokens = [len(c.output_token_ids) for c in found["passes"][0].completions]
    np.testing.assert_array_equal(tokens, [r.output_tokens for r in REQUESTS])


SAYS = {
    "head of 40": ("config.yaml: models: a head of the model", "has 40 elements", "possible are 32, 48, 64, 80"),
    "fp8, head of 80": ("config.yaml: kv_dtype: fp8: ", "on this CPU: FP8 KV cache ", "; write auto"),
    "float16 beside float32": ("config.yaml: kv_dtype: float16: ", "the kernel writes float32", "write auto or fp8"),
    "fp8, latent": ("config.yaml: kv_dtype: fp8: ", "its latent cache (MLA) stays in the model's own type", "auto"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_kernel_cannot_keep_is_refused_in_a_line_that_says_what_is_possible(served, name):
    for words in SAYS[name]:
        assert words in served[name]
    assert "\n" not in served[name]
