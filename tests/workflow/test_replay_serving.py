"""Live engines that take arrivals, replayed on the clock of their own steps: every decision of every step is the same.

vLLM loads only once per process, so that each of its runs is made in a child: this file as a program.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders.requests import requests_of
from builders.tiny import MAX_LENGTH, SLOT_BYTES, tiny_settings
from builders.vllm_children import run_program
from builders.workloads import workload

from kvbench.analysis.results import load_run
from kvbench.files import write_json, write_parquet
from kvbench.measure.kv_rows import kv_rows
from kvbench.records import KV, REQUESTS
from kvbench.replay.fit import durations, fit
from kvbench.replay.live_serving import compare
from kvbench.replay.live_steps import timed_repeats

BLOCKS = 8
REPEATS = 2
PADDED = ("hf-sequential", "hf-batch", "hf-static")
PAGED = {
    "vllm": {},
    "vllm-contiguous": {},
    "vllm with shared prefixes": {"prefix_sharing": True},
    "vllm with small steps": {"options": {"max_num_batched_tokens": 128, "max_num_seqs": 4}},
}


def lengths():
    """Prompts and outputs of which the pool holds only a few at a time."""
    rng = np.random.default_rng(2)
    return np.stack([rng.integers(1, 90, 24), rng.integers(1, 38, 24)], axis=1)


def prompts():
    """Every third prompt begins with the same 64 tokens."""
    rng = np.random.default_rng(3)
    own = [rng.integers(5, 500, length).tolist() for length, _ in lengths()]
    return [[9] * min(64, len(ids)) + ids[64:] if i % 3 == 0 else ids for i, ids in enumerate(own)]


def due_s(repeat):
    """Bursts, in which requests wait, and pauses, in which the engine is idle."""
    rng = np.random.default_rng(repeat)
    return np.cumsum(np.where(np.arange(24) % 8 == 0, 0.6, rng.exponential(0.01, 24)))


def serve(engine, folder):
    """Serve all repeats, write the run's files in `folder`, and close the engine."""
    requests = requests_of(zip(prompts(), lengths()[:, 1].tolist(), strict=True))
    engine.prepare()
    engine.load()
    kv, rows, batches, repeats = [], [], [], []
    for repeat in range(REPEATS + 1):  # the first warms up
        start = time.monotonic_ns()
        due = [start + round(1e9 * s) for s in due_s(repeat)]
        generated = engine.generate(requests, lambda tokens: None, None, lambda part: None, due)
        generated = engine.collect(generated, repeat)
        if repeat:
            kv.append(steps_of(engine, generated, requests, repeat))
            rows += [times(c, r, repeat, start) for c, r in zip(generated.completions, requests, strict=True)]
            batches += [
                {"repeat": repeat, "batch": k, "rows": len(b.request_ids), "start_ns": b.start_ns, "end_ns": b.end_ns}
                for k, b in enumerate(generated.batches)
            ]
            repeats.append({"repeat": repeat, "timed": True, "scope": "all", "start_ns": start})
    write_parquet(folder / "kv.parquet", pa.concat_tables(kv))
    write_parquet(folder / "requests.parquet", pa.Table.from_pylist(rows, schema=REQUESTS))
    write_json(folder / "run.json", record(engine, repeats, batches))
    engine.close()


def steps_of(engine, generated, requests, repeat):
    width = MAX_LENGTH if engine.settings.engine == "hf-static" else None
    shared = engine.settings.prefix_sharing
    columns, _ = kv_rows(generated, requests, slot_bytes=SLOT_BYTES, static_length=width, shared=shared)
    count = len(columns["t_ns"])
    columns |= {"repeat": np.full(count, repeat), "phase": [f"repeat-{repeat}"] * count}
    rows = {name: columns.get(name, [None] * count) for name in KV.names}
    return pa.Table.from_pydict({name: pa.array(rows[name], KV.field(name).type) for name in KV.names}, schema=KV)


def times(completion, request, repeat, start):
    names = ("start", "first_token", "finish", "due", "submitted", "received")
    return {
        "repeat": repeat,
        "request_id": request.request_id,
        "prompt_tokens": request.prompt_tokens,
        "output_tokens": request.output_tokens,
        **{f"{name}_s": (getattr(completion, f"{name}_ns") - start) / 1e9 for name in names},
    }


def record(engine, repeats, batches):
    own = engine.settings
    return {
        "model": "tiny",
        "engine": own.engine,
        "workload": "own",
        "point": "requests_per_s-10",
        "device": "cpu",
        "settings": {"given": {"block_size": own.block_size, "options": own.options}, "in_force": engine.in_force()},
        "slot_bytes": SLOT_BYTES,
        "block_size": own.block_size,
        "max_length": own.max_length,
        "capacity": {**engine.capacity(), "budget_bytes": own.budget_bytes},
        "repeats": repeats,
        "batches": batches,
    }


def assert_same(folder, least_steps):
    run = load_run(folder)
    table = workload(prompts(), lengths()[:, 1].tolist(), ids=[f"r{i}" for i in range(24)])
    for repeat in range(1, REPEATS + 1):
        found = compare(run, repeat, table)
        assert found.same, found
        assert found.steps >= least_steps
    assert any((one.steps["waiting"] > 0).any() for one in timed_repeats(run)), "requests waited"
    return run


def steps_with_work_left(one):
    """Number of steps after which a request that the engine had received was not complete."""
    begin, rows = one.clock_ns / 1e9, one.requests
    received = np.searchsorted(np.sort(rows["received_s"]), begin[:-1], side="right")
    return int((received > np.searchsorted(np.sort(rows["finish_s"]), begin[1:], side="right")).sum())


@pytest.mark.parametrize("name", PAGED)
def test_vllm_decides_as_the_replay_does(tiny, tmp_path, name):
    run_program(__file__, str(tiny), name, str(tmp_path), log=tmp_path / "vllm.log")
    run = assert_same(tmp_path, 100)
    steps = durations(run)
    assert len(steps) == sum(map(steps_with_work_left, timed_repeats(run)))
    assert fit(steps).steps > 100


@pytest.mark.parametrize("name", PADDED)
def test_padded_batches_are_formed_as_in_the_replay(tiny, tmp_path, name):
    from kvbench.engines.transformers.padded import TransformersEngine

    serve(TransformersEngine(tiny_settings(tiny, name, BLOCKS)), tmp_path)
    run = assert_same(tmp_path, 100)
    steps = durations(run)
    assert steps.sequences.max() > 1 or name == "hf-sequential"
    assert len(steps) == sum(len(one.steps) for one in timed_repeats(run))


def child(model, name, folder):
    from kvbench.engines.vllm.runner import VllmEngine

    settings = tiny_settings(Path(model), name.split()[0], BLOCKS)
    settings = dataclasses.replace(settings, arrivals=True, **json.loads(json.dumps(PAGED[name])))
    serve(VllmEngine(settings), Path(folder))


if __name__ == "__main__":
    child(*sys.argv[1:])
