"""Write a run's results: requests, kv, device, blocks and margins as Parquet, and run.json last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kvbench.engines.base import Completion
from kvbench.engines.names import SEQUENTIAL, is_paged
from kvbench.files import sha256, write_json, write_parquet
from kvbench.kv.paged import readers_state
from kvbench.kv.schedule import Schedule
from kvbench.machine.packages import package_versions
from kvbench.measure.measured import Measured
from kvbench.measure.request_time import Limits, time_parts
from kvbench.measure.serving import Done
from kvbench.records import BLOCKS, DEVICE, KV, MARGINS, REQUESTS, TIME_PARTS
from kvbench.workload.read import Request, content_digest


@dataclass(frozen=True)
class Paths:
    """Where a run's files go."""

    requests: Path
    kv: Path
    device: Path
    blocks: Path
    margins: Path
    record: Path


def write_run(measured: Measured, paths: Paths) -> None:
    """Write the tables, then run.json, whose existence means that they are complete; it names what they hold."""
    write_parquet(paths.requests, _requests(measured))
    write_parquet(paths.kv, _kv(measured))
    write_parquet(paths.device, _table(measured.device_rows, DEVICE))
    write_parquet(paths.blocks, _blocks(measured))
    write_parquet(paths.margins, _margins(measured))
    tables = (paths.requests, paths.kv, paths.device, paths.blocks, paths.margins)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in tables}
    write_json(paths.record, {**_record(measured), "files": files})


def _requests(measured: Measured) -> pa.Table:
    decode = _decoder(measured.order.record.path if measured.order.record.tokenizer else None)
    engine = measured.settings.engine
    limits = Limits.of(engine, measured.in_force, measured.capacity.get("batch_rows"))
    rows = []
    for one, record, generated in measured.done:
        parts = time_parts(generated, one.requests, limits, engine in SEQUENTIAL)
        spent = [{}] * len(one.requests) if parts is None else [dict(zip(TIME_PARTS, p, strict=True)) for p in parts.T]
        for request, completion, own in zip(one.requests, generated.completions, spent, strict=True):
            times = (completion.start_ns, completion.first_token_ns, completion.finish_ns)
            start, first, finish = ((t - record["start_ns"]) / 1e9 for t in times)
            rows.append(
                {
                    "repeat": one.repeat,
                    "request_id": request.request_id,
                    "prompt_tokens": request.prompt_tokens,
                    "output_tokens": len(completion.output_token_ids),
                    "output_token_ids": completion.output_token_ids,
                    "text": decode(tuple(completion.output_token_ids)),
                    "start_s": start,
                    "first_token_s": first,
                    "finish_s": finish,
                    "preemptions": completion.preemptions,
                    "cached_tokens": completion.cached_tokens,
                    **_arrival(completion, record["start_ns"]),
                    **own,
                }
            )
    return _table(rows, REQUESTS)


def _arrival(completion: Completion, start_ns: int) -> dict[str, Any]:
    """The columns that only requests with arrivals have, in seconds after `start_ns`."""
    if completion.due_ns is None:
        return {}
    times = {name: getattr(completion, f"{name}_ns") for name in ("due", "submitted", "received")}
    found = {f"{name}_s": None if t is None else (t - start_ns) / 1e9 for name, t in times.items()}
    tokens = completion.token_ns
    return found | {"token_s": None if tokens is None else [(t - start_ns) / 1e9 for t in tokens]}


def _decoder(path: Path | None) -> Any:
    """Token ids to text after the measurement, the same way for every engine; None without a tokenizer."""
    if path is None:
        return lambda ids: None
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    return cache(lambda ids: tokenizer.decode(ids, skip_special_tokens=True))


def _kv(measured: Measured) -> pa.Table:
    tables = []
    for (one, _, _), columns in zip(measured.done, measured.kv, strict=True):
        rows = len(columns["t_ns"])
        columns = {"repeat": np.full(rows, one.repeat), "phase": [one.phase] * rows, **columns}
        arrays = [pa.array(columns[f.name], _given(f)) if f.name in columns else pa.nulls(rows, f.type) for f in KV]
        tables.append(pa.table(arrays, names=KV.names).cast(KV))
    return pa.concat_tables([KV.empty_table(), *tables])


def _given(field: pa.Field) -> pa.DataType | None:
    """The type that a column is made with; those of plain numbers and texts are cast once the table is whole."""
    return field.type if pa.types.is_list(field.type) else None


def _blocks(measured: Measured) -> pa.Table:
    found = [
        block_table(one.repeat, one.requests, generated.schedule)
        for one, _, generated in measured.done
        if generated.schedule is not None
    ]
    return pa.concat_tables([BLOCKS.empty_table(), *found])


def block_table(repeat: int, requests: Sequence[Request], schedule: Schedule) -> pa.Table:
    """The rows of `blocks.parquet` of a pass over `requests`, in order of submission."""
    submitted = [requests[place] for place in schedule.submission_order()]
    final = np.array([r.final_kv_tokens for r in submitted], np.int64)
    names = np.array([r.request_id for r in submitted], object)
    hits, ended = readers_state(schedule, final)
    ends = np.concatenate([[0], np.cumsum(schedule.block_length)]).astype(np.int32)
    columns = (
        np.full(len(schedule.block_step), repeat),
        schedule.block_step,
        names[schedule.block_request],
        schedule.block_tokens,
        pa.ListArray.from_arrays(ends, schedule.block_ids),
        schedule.block_group,
        hits,
        ended,
    )
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, BLOCKS, strict=True)], schema=BLOCKS)


def _margins(measured: Measured) -> pa.Table:
    timed = next((generated for one, _, generated in measured.done if one.timed), None)
    rows = [
        {"request_id": m.request_id, "position": position, "top1_minus_top2": gap}
        for m in (timed.margins if timed else ())
        for position, gap in enumerate(m.top1_minus_top2)
    ]
    return _table(rows, MARGINS)


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


def _record(measured: Measured) -> dict[str, Any]:
    order, settings = measured.order, measured.settings
    given, architecture = dict(order.settings), order.record.architecture
    return {
        **{name: given[name] for name in ("model", "engine", "workload", "point", "process", "purpose")},
        "settings": {"given": given, "in_force": measured.in_force, "changed": measured.changed},
        "dtype": settings.dtype,
        "device": settings.device,
        "threads": measured.in_force["threads"],
        "slot_bytes": settings.slot_bytes,
        "token_bytes": settings.token_bytes,
        "parameters": {"all": architecture.parameters, "active": architecture.active_parameters},
        "kv_dtype": settings.kv_dtype,
        "groups": [asdict(group) for group in settings.groups],
        "block_size": settings.block_size if is_paged(settings.engine) else None,
        "blocks_every": measured.blocks_every,
        "max_length": settings.max_length,
        "max_context": settings.max_context,
        "gpus": settings.gpus if settings.device == "cuda" else None,
        "capacity": measured.capacity,
        "out_of_memory": measured.limit and measured.limit.record(),
        "host": measured.host,
        "other_programs": list(measured.other_programs),
        "timing": {k: v for k, v in asdict(measured.load).items() if k.endswith("_s")}
        | {"warmup_s": measured.done[0][1]["wall_s"] if measured.done else None},
        "repeats": [record for _, record, _ in measured.done],
        "batches": [
            {
                "repeat": one.repeat,
                "batch": number,
                "rows": len(batch.request_ids),
                "start_ns": batch.start_ns,
                "end_ns": batch.end_ns,
            }
            for one, _, generated in measured.done
            for number, batch in enumerate(generated.batches)
        ],
        "phases": measured.phases.done,
        "memory": measured.memory,
        "checks": measured.checks,
        "sampling_errors": measured.sampling_errors,
        "versions": dict(v.split("==") for v in package_versions(*measured.packages)),
        "digests": {**order.digests, "workload": _workload_digests(measured.done), "model": order.record.files},
    }


def _workload_digests(done: Done) -> dict[str, str]:
    """Digest of the requests of each timed scope."""
    return {one.scope: content_digest(one.requests) for one, _, _ in done if one.timed}
