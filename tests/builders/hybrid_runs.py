"""Runs of a model with layers of two kinds, small enough to follow by hand.

Three layers with a window of 8 tokens and two with full attention: vLLM puts them into three block tables, of two
layers, one and two, and leaves half of each page of the second unused. Blocks have 4 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from builders.requests import requests_of
from builders.schedules import schedule_of
from builders.served_passes import map_of_pass, map_of_records, write_pass
from kvbench.kv.contiguous import BatchRecord, dynamic_width
from kvbench.kv.groups import FULL, SLIDING, LayerGroup, Paging, hf_paging, vllm_paging
from kvbench.kv.schedule import ADMITTED, FREED, Schedule

WINDOW, BLOCK, PAGES = 8, 4, 30
GROUPS = (LayerGroup(SLIDING, 3, 2, WINDOW), LayerGroup(FULL, 2, 2))
LENGTHS = ((10, 8), (3, 2))  # of requests that both run from the first step on
SIZES = {"slot_bytes": 32, "block_size": BLOCK, "blocks": PAGES, "budget_bytes": PAGES * 2 * BLOCK * 32}


def hybrid_document(folder: Path, groups: Sequence[LayerGroup] = GROUPS, **changes: Any) -> dict[str, Any]:
    """The map of vllm alone. `changes` replace arrays of its schedule."""
    schedule = paged_schedule(vllm_paging(groups), **changes)
    return map_of_pass(folder, "vllm", _generated(schedule), requests_of(LENGTHS), groups=groups, **SIZES)


def shared_hybrid_document(folder: Path) -> dict[str, Any]:
    """The map of two requests with 6 tokens of prompt and 8 at the end, of which the second finds the first 4."""
    tables = [[1, 2], [11, 12], [21, 22], [1, 3], [11, 13], [21, 23]] * 3
    given = {
        "free_blocks": [PAGES - 9] * 3,
        "scheduled_tokens": [8, 2, 2],
        "dump_length": [2, -1, -1],
        "dump_request": [0, 1],
        "dump_tokens": [6, 2],
        "event_tokens": [0, 4],
        "block_step": np.repeat([0, 1, 2], 6),
        "block_request": [0, 0, 0, 1, 1, 1] * 3,
        "block_tokens": np.repeat([6, 7, 8], 6),
        "block_group": [0, 1, 2] * 6,
        "block_length": [2] * 18,
        "block_ids": np.concatenate(tables),
    }
    sizes = {"end_free_blocks": PAGES, "total_blocks": PAGES, "block_size": BLOCK}
    generated = _generated(schedule_of(**given, **sizes, paging=vllm_paging(GROUPS)))
    requests = requests_of([(6, 3), (6, 3)])
    return map_of_pass(folder, "vllm", generated, requests, shared=True, groups=GROUPS, **SIZES)


def hybrid_documents(folder: Path) -> dict[str, Any]:
    """The map of vllm, hf-batch and hf-continuous."""
    passes = {
        "vllm": _generated(paged_schedule(vllm_paging(GROUPS))),
        "hf-continuous": _generated(paged_schedule(hf_paging(GROUPS))),
        "hf-batch": _generated(None, [padded_batch()]),
    }
    sizes = {"hf-continuous": {"blocks": 2 * PAGES}}
    records = [
        write_pass(folder / engine, engine, one, requests_of(LENGTHS), groups=GROUPS, **SIZES | sizes.get(engine, {}))
        for engine, one in passes.items()
    ]
    return map_of_records(records, requests_of(LENGTHS))


def _generated(schedule: Schedule | None, batches: Sequence[BatchRecord] = ()) -> Any:
    return SimpleNamespace(schedule=schedule, batches=batches, completions=[])


def paged_schedule(paging: Paging, **changes: Any) -> Schedule:
    """Each request has its prompt after step 0 and a token more after each, and is gone after its last."""
    total = PAGES * 2 if paging.page_units == 1 else PAGES
    read = list(_tables(paging))
    steps = max(output for _, output in LENGTHS)
    taken = [(step, paging.groups[g].pages * sum(block > 0 for block in ids)) for step, _, _, g, ids in read]
    running = [sum(step < output for _, output in LENGTHS) for step in range(steps)]
    given = {
        "t_ns": np.arange(steps) * 1_000_000,
        "free_blocks": [total - sum(pages for at, pages in taken if at == step) for step in range(steps)],
        "running": running,
        "waiting": [0] * steps,
        "scheduled_tokens": [sum(prompt for prompt, _ in LENGTHS), *running[1:]],
        "dump_length": [2, -1, 1] + [-1] * (steps - 3),
        "dump_request": [0, 1, 0],
        "dump_tokens": [LENGTHS[0][0], LENGTHS[1][0], 1],
        "event_step": [0, 0, 2],
        "event_kind": [ADMITTED, ADMITTED, FREED],
        "event_request": [0, 1, 1],
        "event_tokens": [0, 0, 0],
        "block_length": [len(row[-1]) for row in read],
        "block_ids": np.concatenate([row[-1] for row in read]),
    }
    names = ("block_step", "block_request", "block_tokens", "block_group")
    given |= dict(zip(names, zip(*(row[:-1] for row in read), strict=True), strict=True))
    scalars = {"end_ns": 10_000_000, "end_free_blocks": total, "total_blocks": total, "block_size": BLOCK}
    return schedule_of(**given | changes, paging=paging, **scalars)


def _tables(paging: Paging) -> Iterator[tuple[int, int, int, int, list[int]]]:
    """At each step, of each request and table: its tokens and the ids of its blocks, 0 for one given back."""
    ids = [iter(range(first, 999)) for first in _first_ids(paging)]
    tables: dict[tuple[int, int], list[int]] = {}
    for step in range(max(output for _, output in LENGTHS)):
        for request in [r for r, (_, output) in enumerate(LENGTHS) if step < output]:
            stored = LENGTHS[request][0] + step
            for number, group in enumerate(paging.groups):
                table = tables.setdefault((request, number), [])
                kept = min(stored, WINDOW) if group.ring else stored
                table += [next(ids[number]) for _ in range(-(-kept // BLOCK) - len(table))]
                if group.window and not group.ring and step > 0:
                    gone = max(0, stored - WINDOW) // BLOCK  # the newest token is not yet known to be computed
                    table[:gone] = [0] * gone
                yield step, request, stored, number, list(table)


def _first_ids(paging: Paging) -> list[int]:
    """Ids with which the blocks of each table begin, so that none are of one page."""
    if paging.page_units > 1 or len(paging.groups) == 1:
        return [1 + 10 * number for number in range(len(paging.groups))]
    return [4, 18]  # a sector has six pages: two blocks of three layers, or three of two; the first two are spare


def padded_batch() -> BatchRecord:
    """Both requests in rows of growing tensors, those with a window cut to it."""
    prompt, output = (np.array(values) for values in zip(*LENGTHS, strict=True))
    passes = np.arange(output.max())
    width = np.stack([dynamic_width(group, int(prompt.max()), passes) for group in GROUPS], axis=1)
    return BatchRecord(
        request_ids=("r0", "r1"),
        prompt_tokens=prompt,
        output_tokens=output,
        t_ns=passes * 1_000_000,
        width=width,
        rows=np.full(len(passes), 2),
        tensor_bytes=2 * (width @ np.array([3, 2])) * SIZES["slot_bytes"],
        start_ns=0,
        end_ns=10_000_000,
        groups=GROUPS,
    )
