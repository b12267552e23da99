"""Rows of `kv.parquet` from what an engine recorded in one pass, each checked against the engine's own counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.engines.base import Generated
from kvbench.kv import checks
from kvbench.kv.contiguous import (
    BatchRecord,
    dynamic_width,
    running_rows,
    scheduled_tokens,
    split_by_group,
)
from kvbench.kv.groups import LayerGroup, PagedGroup, units
from kvbench.kv.paged import rebuild, shared_split
from kvbench.kv.schedule import Schedule
from kvbench.kv.split import Slots, Split, final_kv_length
from kvbench.records import SPLIT, UPKEEP
from kvbench.workload.read import Request

Columns = dict[str, Any]
Checks = dict[str, int]


def kv_rows(
    generated: Generated, requests: Sequence[Request], *, slot_bytes: int, static_length: int | None, shared: bool
) -> tuple[Columns, Checks]:
    """Columns of `records.KV` except repeat and phase, and the number of samples that each identity was checked on.

    Those of `records.UPKEEP` are there only for a pass in which they were taken.

    `static_length` is the length that a static cache was made for, None for a growing one. Raises AccountingError.
    """
    if generated.schedule is not None:
        return _paged_rows(generated.schedule, requests, shared=shared)
    known = [c.submitted_ns for c in generated.completions if c.submitted_ns is not None]
    submitted_ns = np.sort(known) if known else np.zeros(len(requests), np.int64)
    return _contiguous_rows(generated.batches, submitted_ns, slot_bytes, static_length)


def _paged_rows(schedule: Schedule, requests: Sequence[Request], *, shared: bool) -> tuple[Columns, Checks]:
    submitted = schedule.submission_order()
    lengths = np.array([(r.prompt_tokens, r.output_tokens) for r in requests], np.int64)[submitted]
    rebuilt = rebuild(schedule, final_kv_length(lengths[:, 0], lengths[:, 1]))
    split = shared_split(schedule, rebuilt) if shared else rebuilt.split
    steps = len(schedule.t_ns)
    pool = np.full(steps, schedule.pool_slots, np.int64)
    page_slots = schedule.block_size * schedule.paging.page_units
    found = checks.check_paged(schedule, rebuilt, shared=shared) | checks.check_split(split, pool)
    columns = {
        "t_ns": schedule.t_ns,
        "step": np.arange(steps),
        "running": schedule.running,
        "waiting": schedule.waiting,
        "scheduled_tokens": schedule.scheduled_tokens,
        "preemptions": rebuilt.preemptions,
        "prefix_hit_tokens": rebuilt.prefix_hit_tokens,
        "pool": pool,
        "unshared": rebuilt.blocks * page_slots,
        **_parts(split),
    }
    end = {"t_ns": schedule.end_ns, "step": steps, "pool": schedule.pool_slots}
    end["allocated"] = (schedule.total_blocks - schedule.end_free_blocks) * page_slots
    for name in ("preemptions", "prefix_hit_tokens"):
        end[name] = columns[name][-1]
    groups = {} if shared else {"groups": [*group_slots(schedule.paging.groups, rebuilt.by_group), None]}
    return _with_row(columns, end) | _upkeep(schedule) | groups, found


def _contiguous_rows(
    batches: Sequence[BatchRecord], submitted_ns: NDArray[np.int64], slot_bytes: int, static_length: int | None
) -> tuple[Columns, Checks]:
    """`submitted_ns`, shape (R,) and sorted, says how many wait: those submitted and not yet in a batch."""
    columns: Columns = {}
    found: Checks = {}
    taken, step = 0, 0
    for batch in batches:
        passes = np.arange(len(batch.t_ns))
        taken += len(batch.request_ids)
        width = np.stack([_width(group, batch, passes, static_length) for group in batch.groups], axis=1)
        by_group = split_by_group(batch)
        split = reduce(Split.plus, by_group)
        pool = batch.tensor_bytes // slot_bytes
        add_checks(found, checks.check_batch(batch, slot_bytes, width) | checks.check_split(split, pool))
        rows = {
            "t_ns": batch.t_ns,
            "step": step + passes,
            "running": running_rows(batch),
            "waiting": np.searchsorted(submitted_ns, batch.t_ns, side="right") - taken,
            "scheduled_tokens": scheduled_tokens(batch),
            "preemptions": 0 * passes,
            "prefix_hit_tokens": 0 * passes,
            "pool": pool,
            "unshared": split.allocated,
            **_parts(split),
        }
        step += len(passes) + 1
        waiting = np.searchsorted(submitted_ns, batch.end_ns, side="right") - taken
        end = {"t_ns": batch.end_ns, "step": step - 1, "waiting": waiting, "pool": pool[-1] if static_length else 0}
        groups = [*group_slots(_rows_of(batch.groups), by_group), None]
        columns = _append(columns, _with_row(rows, end) | {"groups": groups})
    return columns, found


def _width(group: LayerGroup, batch: BatchRecord, passes: NDArray[np.int64], static_length: int | None) -> Slots:
    """Tokens per row that the cache of a group has room for after each pass, from lengths."""
    if static_length:
        return np.full(len(passes), group.stored(static_length))
    return dynamic_width(group, int(batch.prompt_tokens.max()), passes)


def _rows_of(groups: Sequence[LayerGroup]) -> list[PagedGroup]:
    return [PagedGroup(group.kind, group.window, own) for group, own in zip(groups, units(groups), strict=True)]


def group_slots(groups: Sequence[PagedGroup], splits: Sequence[Split]) -> list[Any]:
    """The column `groups` of `records.KV`: a list of `records.GROUP_SLOTS` a step, with block tables of one kind added.

    None at each step for a model with one group, whose row says all.
    """
    steps = len(splits[0].live)
    kinds: dict[tuple[str, int | None], tuple[int, Split]] = {}
    for group, split in zip(groups, splits, strict=True):
        units_before, before = kinds.get((group.kind, group.window), (0, None))
        kinds[group.kind, group.window] = units_before + group.units, split if before is None else before.plus(split)
    if len(kinds) == 1:
        return [None] * steps
    columns = [
        {"kind": kind, "window": window, "units": own, **{name: v.tolist() for name, v in _parts(split).items()}}
        for (kind, window), (own, split) in kinds.items()
    ]
    names = ("allocated", *SPLIT)
    return [[column | {name: column[name][step] for name in names} for column in columns] for step in range(steps)]


def _upkeep(schedule: Schedule) -> Columns:
    """The times of each step and nothing for the closing row; no columns if the pass was not timed in parts."""
    times = {name: getattr(schedule, name).tolist() for name in UPKEEP}
    return {name: [*values, None] for name, values in times.items() if values}


def _parts(split: Split) -> Columns:
    return {"allocated": split.allocated, **dict(zip(SPLIT, split, strict=True))}


def _with_row(columns: Columns, row: dict[str, Any]) -> Columns:
    """Columns with one more row; columns missing from the row get 0."""
    return {name: np.append(values, row.get(name, 0)) for name, values in columns.items()}


def _append(columns: Columns, more: Columns) -> Columns:
    """Columns of both; those of arrays are joined as arrays, those of lists as lists."""
    if not columns:
        return more
    joined = {name: np.concatenate([columns[name], more[name]]) for name in more if not isinstance(more[name], list)}
    return joined | {name: columns[name] + more[name] for name in more if name not in joined}


def add_checks(total: Checks, more: Checks) -> None:
    """Add the numbers of samples in `more` to those in `total`."""
    for name, samples in more.items():
        total[name] = total.get(name, 0) + samples
