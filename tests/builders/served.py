"""Live runs whose requests arrived over time, made with the reference replay in place of an engine."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from builders.replay_reference import reference
from kvbench.files import write_json, write_parquet
from kvbench.records import KV, REQUESTS
from kvbench.replay import COLUMNS, Settings, StepTime
from kvbench.workload.arrivals import due_s

SLOT_BYTES = 1024
BEGIN_NS = 5_000_000_000
BETWEEN_NS = 10_000_000_000
COST = StepTime.of(0.01, 1e-4, 2e-3, 4e-3)
POLICIES = {"hf-sequential": "hf-batch", "hf-batch": "hf-batch", "hf-static": "hf-static"}
RESERVING = {"vllm-reserved-power-of-two": "power-of-two", "vllm-reserved-oracle": "oracle"}


def lengths(count=40, seed=3):
    """Prompt and output tokens of requests, shape (count, 2)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(1, 40, count), rng.integers(1, 24, count)], axis=1)


def settings_of(engine, pool=320, running=6, cost=COST, ahead=False):
    """The settings by which the reference serves as `engine`, with asynchronous scheduling if `ahead`."""
    policy = POLICIES.get(engine, "paged")
    most = {"hf-sequential": 1, "vllm-sequential": 1}.get(engine, running if policy == "paged" else (1 << 31) - 1)
    limits = {"max_running": most, "max_step_tokens": 50} if policy == "paged" else {"max_running": most}
    limits |= {"reserves": RESERVING.get(engine), "async_scheduling": ahead, "step_time": cost}
    return Settings(policy, pool, max_length=64, block_size=8, **limits)


def write_served(root: Path, engine="vllm", per_s=2.0, repeats=2, requests=None, noise=0.0, seed=0, **limits) -> Path:
    """Write a run at a rate, with every step's duration from COST and, with `noise`, spread evenly around it."""
    own, requests = settings_of(engine, **limits), lengths() if requests is None else requests
    rng, begin = np.random.default_rng([seed, round(1000 * per_s)]), BEGIN_NS
    kv, rows, batches, records = [], [], [], []
    for number in range(1, repeats + 1):
        due = np.rint(due_s(len(requests), per_s, seed, number) * 1e9).astype(np.int64)
        prompts = [list(range(1000 * i, 1000 * i + prompt)) for i, (prompt, _) in enumerate(requests)]
        steps, times = reference(prompts, requests[:, 1], due, own, noise=lambda: rng.uniform(1 - noise, 1 + noise))
        steps = [dict(zip(COLUMNS, map(int, row), strict=True)) for row in steps]
        end = max(times["finish_ns"])
        rows += [request(number, i, due, requests, times, [step["t_ns"] for step in steps]) for i in range(len(due))]
        if own.policy == "paged":
            noted = [*steps, {"t_ns": end}]
        else:
            noted, own_batches = noted_passes(steps, times, end)
            for k, (count, start, ended) in enumerate(own_batches):
                span = {"start_ns": start + begin, "end_ns": ended + begin}
                batches.append({"repeat": number, "batch": k, "rows": count, **span})
        kv += [kv_row(number, k, row, begin) for k, row in enumerate(noted)]
        records.append({"repeat": number, "timed": True, "scope": "all", "start_ns": begin, "requests": len(due)})
        begin += end + BETWEEN_NS
    folder = root / "tiny" / engine / "mixed" / f"requests_per_s-{per_s:g}"
    write_parquet(folder / "kv.parquet", pa.Table.from_pylist(kv, schema=KV))
    write_parquet(folder / "requests.parquet", pa.Table.from_pylist(rows, schema=REQUESTS))
    write_json(folder / "run.json", record(engine, folder.name, own, records, batches, per_s, seed))
    return folder / "run.json"


def request(repeat, i, due, lengths, times, clock):
    """A request's row: received right before the first step that began after it was due."""
    received = next((t for t in clock if t >= due[i]), due[i])
    seconds = {f"{name}_s": times[f"{name}_ns"][i] / 1e9 for name in ("start", "first_token", "finish")}
    return {
        "repeat": repeat,
        "request_id": f"r{i:03d}",
        "prompt_tokens": int(lengths[i][0]),
        "output_tokens": int(lengths[i][1]),
        **seconds,
        "due_s": due[i] / 1e9,
        "submitted_s": due[i] / 1e9,
        "received_s": received / 1e9,
    }


def noted_passes(steps, times, end):
    """Rows as a padded batch notes them: each pass when it has ended, then a closing row; and the batches."""
    starts = sorted(set(times["start_ns"]))
    noted, batches = [], []
    for start, following in pairwise([*starts, end + 1]):
        passes = [step for step in steps if start <= step["t_ns"] < following]
        ended = max(f for f, s in zip(times["finish_ns"], times["start_ns"], strict=True) if s == start)
        ends = [*(step["t_ns"] for step in passes[1:]), ended]
        noted += [{**step, "t_ns": t_ns} for step, t_ns in zip(passes, ends, strict=True)] + [{"t_ns": ended}]
        batches.append((times["start_ns"].count(start), start, ended))
    return noted, batches


def kv_row(repeat, number, row, begin):
    named = {name: row.get(name, 0) for name in ("running", "waiting", "scheduled_tokens", "preemptions")}
    return {"t_ns": row["t_ns"] + begin, "repeat": repeat, "phase": f"repeat-{repeat}", "step": number, **named}


def record(engine, point, own, repeats, batches, per_s, seed):
    """What run.json has of such a run."""
    padded = engine in POLICIES
    limits = {"max_num_seqs": own.max_running, "max_num_batched_tokens": own.max_step_tokens}
    limits["async_scheduling"] = own.async_scheduling
    given = {"block_size": own.block_size, "seed": seed, "requests_per_s": per_s, "burstiness": 1.0}
    return {
        "model": "tiny",
        "engine": engine,
        "workload": "mixed",
        "point": point,
        "settings": {"given": given, "in_force": {} if padded else limits},
        "device": "cpu",
        "slot_bytes": SLOT_BYTES,
        "block_size": None if padded else own.block_size,
        "max_length": own.max_length,
        "capacity": {
            "budget_bytes": own.pool_slots * SLOT_BYTES + SLOT_BYTES // 2,
            "blocks": None if padded else own.pool_blocks,
        },
        "repeats": repeats,
        "batches": batches,
    }


def edited(run, name, edit):
    """The run with a file's rows changed by `edit`."""
    frame = run.frame(name)
    changed = edit(frame)
    frame = frame if changed is None else changed

    class Edited(type(run)):
        def frame(self, asked, columns=None):
            found = frame if asked == name else run.frame(asked, columns)
            return found if columns is None else found[[*columns, "process"]]

    return Edited(run.folder, run.record)
