"""The identities of the KV accounting hold on real schedulers and caches, and each check can fail."""

from __future__ import annotations

import dataclasses
from importlib import import_module

import numpy as np
import pytest
from builders.read_maps import counts_of, recorded_of, tables_of, tokens_of
from builders.requests import requests_of
from builders.served_passes import map_of_pass
from builders.tiny import ITEMSIZE, MAX_LENGTH, SLOT_BYTES, generate, tiny_requests, tiny_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.blockmap.recorded import recorded
from kvbench.blockmap.rows import rows_side
from kvbench.engines.in_force import compare_in_force
from kvbench.engines.names import RESERVATION
from kvbench.engines.recorded_passes import RecordedPasses
from kvbench.engines.vllm.upkeep import BLOCK_METHODS, TABLE_METHODS
from kvbench.errors import UserError
from kvbench.files import read_parquet
from kvbench.kv import checks
from kvbench.kv.checks import AccountingError
from kvbench.kv.paged import rebuild
from kvbench.kv.schedule import ADMITTED, FREED, PREEMPTED
from kvbench.kv.split import final_kv_length
from kvbench.measure.kv_rows import kv_rows
from kvbench.measure.loading import check_pool
from kvbench.records import UPKEEP

BLOCKS = 8  # two requests of the maximum length: enough to run any, few enough to preempt
LENGTHS = st.lists(st.tuples(st.integers(1, 90), st.integers(1, 38)), min_size=1, max_size=12)
EXAMPLES = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


class Serving:
    """An engine that numbers its passes; all but the first, the third and the fourth read block ids at every step.

    The upkeep of block tables is timed in the second pass, as on a CPU, and alone in the fourth, as on a GPU.
    """

    def __init__(self, engine):
        self.engine, self.number = engine, 0
        engine.prepare(RecordedPasses([n for n in range(1000) if n not in (0, 2, 3)], [1, 3]))
        engine.load()
        self.first = [(timed_methods(engine), *self([(40, 6), (9, 4)])) for _ in range(4)]

    def __call__(self, lengths):
        return self.serve(tiny_requests(lengths))

    def serve(self, requests):
        generated = generate(self.engine, requests)
        generated = self.engine.collect(generated, self.number)
        self.number += 1
        assert [len(c.output_token_ids) for c in generated.completions] == [r.output_tokens for r in requests]
        return generated, requests


def timed_methods(engine):
    """The methods of vLLM's objects that are not their own at the moment."""
    core = getattr(engine.front.llm.llm_engine.engine_core, "engine_core", None) if hasattr(engine, "front") else None
    if core is None:
        return []
    runner = core.model_executor.driver_worker.worker.model_runner
    objects = (core.scheduler.kv_cache_manager, runner.input_batch.block_table, runner)
    names = (*BLOCK_METHODS, *TABLE_METHODS["MultiGroupBlockTable"], "execute_model")
    return [name for one in objects for name in names if name in vars(one)]


def make_engine(tiny, name):
    """An engine on the tiny model; `sharing` after its name turns on prefix sharing."""
    name, _, sharing = name.partition(" ")
    settings = dataclasses.replace(tiny_settings(tiny, name, BLOCKS), prefix_sharing=bool(sharing))
    if name.startswith("vllm"):
        from kvbench.engines.vllm.runner import VllmEngine

        return VllmEngine(settings)
    from kvbench.engines.transformers import by_name as hf_engines

    return hf_engines.make_engine(settings)


@pytest.fixture(scope="session", params=["vllm", "vllm-contiguous", "vllm-reserved", *RESERVATION, "hf-continuous"])
def paged(tiny, request):
    """One engine at a time: two vLLM engines in a process would end each other's process groups."""
    engine = make_engine(tiny, request.param)
    yield Serving(engine)
    engine.close()


@pytest.fixture(scope="session", params=["vllm sharing", "hf-continuous sharing"])
def sharing(tiny, request):
    engine = make_engine(tiny, request.param)
    yield Serving(engine)
    engine.close()


preempting = pytest.mark.parametrize("paged", ["vllm", "hf-continuous"], indirect=True)


@pytest.fixture(scope="session", params=["hf-sequential", "hf-batch", "hf-static"])
def contiguous(tiny, request):
    engine = make_engine(tiny, request.param)
    yield Serving(engine)
    engine.close()


def static_width(serving):
    return MAX_LENGTH if serving.engine.settings.engine == "hf-static" else None


@EXAMPLES
@given(LENGTHS)
def test_paged_identities_hold_on_the_real_scheduler(paged, lengths):
    generated, requests = paged(lengths)
    columns, found = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=False)
    assert found["blocks_in_use"] == len(generated.schedule.t_ns) > 0
    assert found["distinct_block_ids"] > 0
    assert columns["allocated"][-1] == columns["live"][-1] == 0
    assert columns["scheduled_tokens"].sum() >= sum(p + o - 1 for p, o in lengths)
    assert columns["live"].max() <= columns["pool"][0] == BLOCKS * 32
    settings = paged.engine.settings
    if settings.engine in ("vllm-contiguous", "vllm-reserved"):
        assert columns["running"].max() <= settings.reserved_rows == 2
        reservations = columns["running"] * settings.reserved_row_slots
        assert (columns["allocated"] <= reservations).all()
        assert (columns["allocated"] == reservations).all() == (settings.engine == "vllm-contiguous")
    if settings.engine in RESERVATION:
        assert columns["preemptions"][-1] == 0


def test_upkeep_is_timed_only_in_its_passes(paged):
    known = {}
    for number, (methods, generated, requests) in enumerate(paged.first):
        columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=False)
        known[number] = [name for name in UPKEEP if name in columns]
        assert bool(methods) == bool(known[number])
        for name in known[number]:
            *times, closing = columns[name]
            assert closing is None
            assert all(ns > 0 for ns, tokens in zip(times, columns["scheduled_tokens"][:-1], strict=True) if tokens)
    timed = list(UPKEEP) if paged.engine.settings.engine.startswith("vllm") else []
    assert known == {0: [], 1: timed, 2: [], 3: timed}


def test_passes_without_block_ids_run_the_library_s_own_methods_and_copy_no_id(paged):
    """So reading every step costs the timed passes nothing: all they do is what they would without it."""
    for number, (methods, generated, _) in enumerate(paged.first):
        schedule = generated.schedule
        read = np.unique(schedule.block_step).tolist()
        assert read == (list(range(len(schedule.t_ns))) if number == 1 else [])
        assert len(schedule.block_ids) == schedule.block_length.sum()
        assert methods == [] or number in (1, 3)


def map_of(serving, folder, generated, requests, *, shared=False):
    """The side of the block map of a pass."""
    settings = serving.engine.settings
    sizes = {"static_length": static_width(serving), "shared": shared, "slot_bytes": SLOT_BYTES}
    sizes |= {"block_size": settings.block_size, "blocks": settings.budget_blocks}
    sizes |= {"budget_bytes": settings.budget_bytes}
    [side] = map_of_pass(folder, settings.engine, generated, requests, **sizes)["sides"] or [None]
    return side


def assert_blocks_are_those_read(side, folder, requests):
    """Three requests at five steps, or all that there are."""
    blocks = read_parquet(folder / "blocks.parquet").to_pandas()
    tables, names = list(tables_of(side)), [r.request_id for r in requests]
    steps = np.unique(blocks["step"])[:: max(1, blocks["step"].nunique() // 5)]
    chosen = blocks[blocks["step"].isin(steps) & blocks["request_id"].isin(names[:3])]
    assert len(chosen) >= 5
    for row in chosen.itertuples():
        number = names.index(row.request_id)
        assert [cell + side["first_block"] for cell in tables[row.step][number]] == list(row.block_ids)
        assert tokens_of(side, number, row.step) == row.computed_tokens


def test_the_block_map_of_a_pass_is_what_was_recorded(paged, tmp_path):
    generated, requests = paged([(60, 30), (5, 3), (33, 20), (60, 30), (60, 30)])
    side = map_of(paged, tmp_path, generated, requests)
    columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=False)
    assert counts_of(side) == recorded_of(side)
    for name in ("running", "waiting", "live", "reserved", "internal", "finished"):
        assert side[name] == columns[name].tolist()
    assert_blocks_are_those_read(side, tmp_path, requests)
    events = side["events"][1::3]
    assert events.count(3) == columns["preemptions"][-1]
    assert events.count(2) == len(requests)


def test_the_block_map_of_rows_is_what_was_recorded(contiguous, tmp_path):
    generated, requests = contiguous([(20, 10), (8, 12), (30, 1), (9, 40)])
    assert map_of(contiguous, tmp_path, generated, requests) is None, "a map needs a side with blocks"
    side = rows_side(recorded(tmp_path / "run.json", requests, reads_blocks=False))
    columns, _ = kv_rows(
        generated, requests, slot_bytes=SLOT_BYTES, static_length=static_width(contiguous), shared=False
    )
    assert counts_of(side) == recorded_of(side)
    for name in ("running", "waiting", "live", "reserved", "internal", "padding", "finished"):
        assert side[name] == columns[name].tolist()


@pytest.mark.parametrize(
    ("module", "name"), [("block_table", "MultiGroupBlockTable"), ("gpu.block_table", "BlockTables")]
)
def test_both_kinds_of_block_tables_have_the_methods_that_are_timed(module, name):
    tables = getattr(import_module(f"vllm.v1.worker.{module}"), name)
    assert [method for method in TABLE_METHODS[name] if not callable(getattr(tables, method, None))] == []


@EXAMPLES
@given(LENGTHS)
def test_contiguous_identities_hold_on_the_real_cache(contiguous, lengths):
    generated, requests = contiguous(lengths)
    columns, found = kv_rows(
        generated, requests, slot_bytes=SLOT_BYTES, static_length=static_width(contiguous), shared=False
    )
    steps = sum(len(batch.t_ns) for batch in generated.batches)
    assert found["cache_bytes"] == found["cache_width"] == steps > 0
    assert columns["allocated"][-1] == 0
    assert columns["live"].max() >= max(p + o - 1 for p, o in lengths)


@preempting
def test_a_tight_pool_preempts_and_still_adds_up(paged):
    generated, requests = paged([(60, 30)] * 6)
    columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=False)
    assert columns["preemptions"][-1] > 0
    assert sum(c.preemptions for c in generated.completions) == columns["preemptions"][-1]


@pytest.fixture(scope="session")
def schedule(paged):
    """A recorded schedule with waiting requests, preemptions and freed requests."""
    lengths = [(60, 30)] * 6
    generated, _ = paged(lengths)
    recorded = generated.schedule
    assert (recorded.event_kind == PREEMPTED).any()
    assert (recorded.dump_length == -1).any()
    return recorded


def paged_checks(schedule):
    lengths = final_kv_length(*np.array([(60, 30)] * len(schedule.request_ids)).T)
    return checks.check_paged(schedule, rebuild(schedule, lengths), shared=False)


def changed(schedule, name, at, by):
    array = getattr(schedule, name).copy()
    array[at] += by
    return dataclasses.replace(schedule, **{name: array})


def without_event(schedule, kind):
    keep = np.arange(len(schedule.event_kind)) != np.flatnonzero(schedule.event_kind == kind)[0]
    fields = {name: getattr(schedule, name)[keep] for name in vars(schedule) if name.startswith("event_")}
    return dataclasses.replace(schedule, **fields)


@preempting
def test_the_recorded_schedule_passes(schedule):
    found = paged_checks(schedule)
    assert all(samples > 0 for samples in found.values())


MUTATIONS = {
    "a block leaks": lambda s: changed(s, "free_blocks", 3, -1),
    "a block is free and in use": lambda s: changed(s, "free_blocks", 3, 1),
    "a token is scheduled and not counted": lambda s: changed(s, "scheduled_tokens", 2, 1),
    "a request's tokens are miscounted": lambda s: changed(s, "dump_tokens", 0, 40),
    "a preemption is missed": lambda s: without_event(s, PREEMPTED),
    "a free is missed": lambda s: without_event(s, FREED),
    "blocks stay behind": lambda s: dataclasses.replace(s, end_free_blocks=s.end_free_blocks - 1),
    "a request stays behind": lambda s: dataclasses.replace(s, end_requests=1),
    "a block is shared": lambda s: changed(s, "block_ids", 0, int(s.block_ids[1] - s.block_ids[0])),
    "a request holds a block too many": lambda s: changed(s, "block_tokens", 0, 200),
}


@preempting
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_each_paged_check_can_fail(schedule, mutation):
    with pytest.raises(AccountingError):
        paged_checks(MUTATIONS[mutation](schedule))


@preempting
@pytest.mark.parametrize("part", range(5))
def test_a_split_that_does_not_fit_is_refused(schedule, part):
    lengths = np.full(len(schedule.request_ids), 89)
    split = rebuild(schedule, lengths).split
    pool = np.full(len(schedule.t_ns), schedule.total_blocks * schedule.block_size)
    assert checks.check_split(split, pool)
    for by in (-(10**6), 10**6):
        parts = list(split)
        parts[part] = parts[part] + by
        with pytest.raises(AccountingError):
            checks.check_split(type(split)(*parts), pool)


def test_bytes_of_the_pool_are_those_of_the_tensors_that_hold_it(paged):
    assert check_pool(paged.engine) == {"pool_bytes": 1}


@pytest.mark.parametrize("change", [{"kv_itemsize": 2 * ITEMSIZE}, {"block_size": 16}])
def test_a_pool_of_other_bytes_is_noticed(paged, change, monkeypatch):
    monkeypatch.setattr(paged.engine, "settings", dataclasses.replace(paged.engine.settings, **change))
    with pytest.raises(AccountingError, match="bytes of the pool's tensors"):
        check_pool(paged.engine)


NOT_IN_FORCE = pytest.mark.parametrize(
    ("change", "key"),
    [
        ({}, None),
        ({"temperature": 0.5}, "sampling.temperature"),
        ({"dtype": "bfloat16"}, "models.<name>.dtype"),
        ({"seed": 1}, "seed"),
        ({"threads": 1}, "cpu_threads"),
    ],
)


def compare_changed(engine, change, key):
    """The engine's settings are in force, and a different one is refused with its key."""
    asked = dataclasses.replace(engine.settings, **change)
    if key is None:
        assert compare_in_force(asked, engine.in_force()) == {}
        return
    with pytest.raises(UserError, match=rf"config.yaml: {key}: {asked.engine} uses .* instead of the requested"):
        compare_in_force(asked, engine.in_force())


def test_a_temperature_that_vllm_raises_without_a_word_is_refused(paged, monkeypatch):
    if not paged.engine.settings.engine.startswith("vllm"):
        pytest.skip("Transformers takes it as it is")
    monkeypatch.setattr(paged.engine, "settings", dataclasses.replace(paged.engine.settings, temperature=0.004))
    with pytest.raises(UserError, match=r"sampling\.temperature: vllm.* uses 0.01 instead of the requested 0.004"):
        compare_in_force(paged.engine.settings, paged.engine.in_force())


def test_the_attention_kernel_takes_the_blocks_as_they_are(paged):
    if not paged.engine.settings.engine.startswith("vllm"):
        pytest.skip("only vLLM splits blocks for its kernels")
    in_force = paged.engine.in_force()
    assert in_force["kernel_block_size"] == in_force["block_size"] == paged.engine.settings.block_size
    assert in_force["attention_kernels"] == ["CPU_ATTN"]


@NOT_IN_FORCE
def test_settings_of_a_paged_engine_are_in_force(paged, change, key):
    compare_changed(paged.engine, change, key)


@NOT_IN_FORCE
def test_settings_of_a_contiguous_engine_are_in_force(contiguous, change, key):
    compare_changed(contiguous.engine, change, key)


@pytest.mark.parametrize(("name", "by"), [("tensor_bytes", 4), ("width", 1), ("rows", 1)])
def test_each_contiguous_check_can_fail(contiguous, name, by):
    generated, requests = contiguous([(20, 10), (8, 12)])
    kwargs = {"slot_bytes": SLOT_BYTES, "static_length": static_width(contiguous), "shared": False}
    kv_rows(generated, requests, **kwargs)
    batch = generated.batches[0]
    wrong = getattr(batch, name).copy()
    wrong[2] += by
    broken = dataclasses.replace(generated, batches=[dataclasses.replace(batch, **{name: wrong})])
    with pytest.raises(AccountingError):
        kv_rows(broken, requests, **kwargs)


def starting_alike(members):
    """Requests of (group, common tokens, own tokens, output): a prefix of the group's text, then own tokens."""
    texts = np.random.default_rng(7).integers(5, 400, (3, 90)).tolist()
    return requests_of(
        ((*texts[group][:common], 400 + i, *range(5, 4 + own)), output)
        for i, (group, common, own, output) in enumerate(members)
    )


MEMBERS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 75), st.integers(1, 20), st.integers(1, 30)), min_size=1, max_size=12
)


@EXAMPLES
@given(MEMBERS)
def test_identities_hold_where_blocks_are_shared(sharing, members):
    generated, requests = sharing.serve(starting_alike(members))
    columns, found = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=True)
    assert found["blocks_shared"] == len(generated.schedule.t_ns)
    assert found["filled_slots"] == found["blocks_without_sharing"] == found["distinct_block_ids"] > 0
    assert (columns["allocated"] <= columns["unshared"]).all()
    assert columns["allocated"][-1] == columns["unshared"][-1] == 0
    assert generated.schedule.cached_tokens().tolist() == [c.cached_tokens for c in generated.completions]
    needed = sum(r.prompt_tokens + r.output_tokens - 1 for r in requests)
    cached = sum(c.cached_tokens for c in generated.completions)
    assert columns["scheduled_tokens"].sum() + cached >= needed
    assert columns["prefix_hit_tokens"][-1] >= cached


def test_the_block_map_of_shared_blocks_is_what_was_recorded(sharing, tmp_path):
    generated, requests = sharing.serve(starting_alike([(0, 70, 5, 10)] * 3 + [(1, 66, 4, 12), (1, 75, 9, 3)]))
    again, requests = sharing.serve(requests)
    for number, one in enumerate((generated, again)):
        side = map_of(sharing, tmp_path / str(number), one, requests, shared=True)
        assert counts_of(side) == recorded_of(side)
        assert_blocks_are_those_read(side, tmp_path / str(number), requests)
        hits = one.schedule.event_tokens[one.schedule.event_kind == ADMITTED]
        assert side["events"][1::3].count(4) == (hits >= 32).sum()


vllm_sharing = pytest.mark.parametrize("sharing", ["vllm sharing"], indirect=True)
hf_sharing = pytest.mark.parametrize("sharing", ["hf-continuous sharing"], indirect=True)


@hf_sharing
def test_transformers_merges_equal_blocks_once_they_are_full(sharing):
    """Requests of the same step do not find each other's blocks; after it, two of the three of one are returned."""
    generated, requests = sharing.serve(starting_alike([(0, 70, 5, 10)] * 2))
    columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=True)
    assert [c.cached_tokens for c in generated.completions] == [0, 0]
    assert columns["scheduled_tokens"][0] == 2 * 75
    assert columns["unshared"][:2].tolist() == [6 * 32, 6 * 32]
    assert columns["allocated"][:2].tolist() == [6 * 32, 4 * 32]
    assert columns["live"][1] == 64 + 2 * 12


@vllm_sharing
def test_a_common_prefix_is_held_once_and_computed_once(sharing):
    """Two full blocks of 32 in common: the first request computes them, the other two get prefix hits."""
    generated, requests = sharing.serve(starting_alike([(0, 70, 5, 10)] * 3))
    columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=None, shared=True)
    assert [c.cached_tokens for c in generated.completions] == [0, 64, 64]
    assert columns["prefix_hit_tokens"][0] == 128
    assert columns["scheduled_tokens"][0] == 75 + 2 * (75 - 64)
    # Three block tables of 3 blocks: 2 are shared, the third is private.
    assert columns["unshared"][0] == 9 * 32
    assert columns["allocated"][0] == 5 * 32
    assert columns["live"][0] == 64 + 3 * 11
    assert columns["reserved"][0] == 3 * 9
    assert columns["internal"][0] == 3 * (32 - 11 - 9)


def test_nothing_is_found_from_the_pass_before(sharing):
    for _ in range(2):
        generated, _ = sharing.serve(starting_alike([(1, 64, 8, 4)]))
        assert [c.cached_tokens for c in generated.completions] == [0]


SHARED_MUTATIONS = {
    "a shared block counts twice": lambda s: changed(s, "free_blocks", 0, -1),
    "a private block counts as shared": lambda s: changed(s, "free_blocks", 0, 1),
    "a tail is shared": lambda s: changed(s, "block_ids", 5, int(s.block_ids[2] - s.block_ids[5])),
    "a hit is not counted": lambda s: changed(s, "event_tokens", 1, -64),
    "a request's tokens are miscounted": lambda s: changed(s, "dump_tokens", 0, 1),
    "a request holds a block too many": lambda s: changed(s, "block_tokens", 0, 64),
}


@vllm_sharing
@pytest.mark.parametrize("mutation", SHARED_MUTATIONS)
def test_each_check_of_shared_blocks_can_fail(sharing, mutation):
    generated, requests = sharing.serve(starting_alike([(0, 70, 5, 10)] * 3))
    final = final_kv_length(*np.array([(r.prompt_tokens, r.output_tokens) for r in requests]).T)
    schedule = generated.schedule
    assert checks.check_paged(schedule, rebuild(schedule, final), shared=True)
    wrong = SHARED_MUTATIONS[mutation](schedule)
    with pytest.raises(AccountingError):
        checks.check_paged(wrong, rebuild(wrong, final), shared=True)
