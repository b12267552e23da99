"""Seeded synthetic runs that follow the file contracts: a small discrete simulation of each engine.

Every split is counted token by token from the rules of docs/kv.md, not through kvbench.kv, so that
tables and figures are tested against an independent source.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from kvbench.files import write_json, write_parquet
from kvbench.records import BLOCKS, DEVICE, KV, REQUESTS, SPLIT

MAX_LENGTH = 512
BLOCK = 32
SLOT_BYTES = 46_080
ENGINES = ("hf-sequential", "hf-batch", "hf-static", "vllm-sequential", "vllm")
ALL_ENGINES = (*ENGINES, "hf-static-compiled", "hf-continuous", "vllm-reserved", "vllm-eager")
SLOWDOWN = {"hf-static-compiled": 0.5, "vllm-eager": 1.25}  # seconds of a step over those of the engine's sibling
MAX_BATCHED_TOKENS = 4096
MIB = 1 << 20


@dataclass(frozen=True)
class Request:
    id: str
    prompt: int
    output: int

    @property
    def final(self) -> int:
        return self.prompt + self.output - 1

    def token(self, position: int) -> int:
        return zlib.crc32(f"{self.id}/{position}".encode()) % 49_152


@dataclass
class Step:
    """One engine step: seconds it took, and what the cache held after scheduling."""

    seconds: float
    running: int
    waiting: int
    scheduled: int
    pool: int
    split: dict[str, int]
    tokens: dict[str, int]  # request id: tokens generated so far
    preemptions: int = 0


@dataclass
class Trace:
    steps: list[Step] = field(default_factory=list)
    started: dict[str, int] = field(default_factory=dict)  # request id: step
    first: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    batches: list[tuple[int, int, int]] = field(default_factory=list)  # rows, first step, last step
    preempted: dict[str, int] = field(default_factory=dict)
    blocks: list[tuple[int, str, int, list[int]]] = field(default_factory=list)


def make_requests(count: int, seed: int = 0) -> list[Request]:
    rng = np.random.default_rng(seed)
    prompts = np.clip(rng.lognormal(4, 0.8, count), 4, 300).astype(int)
    outputs = np.clip(rng.lognormal(3.7, 0.6, count), 4, 160).astype(int)
    return [Request(f"r{i:03d}", int(p), int(o)) for i, (p, o) in enumerate(zip(prompts, outputs, strict=True))]


def simulate(engine: str, requests: list[Request], slots: int) -> Trace:
    """Serve the requests with room for `slots` tokens."""
    if paged(engine):
        return _paged(requests, slots // BLOCK, max_num_seqs(engine, slots))
    if engine == "hf-sequential":
        batches = [[r] for r in requests]
    elif engine.startswith("hf-static"):
        rows = slots // MAX_LENGTH
        batches = [requests[i : i + rows] for i in range(0, len(requests), rows)]
    else:
        batches = _fill_batches(requests, slots)
    return _contiguous(batches, slots // MAX_LENGTH if engine.startswith("hf-static") else None)


def paged(engine: str) -> bool:
    return engine.startswith("vllm") or engine == "hf-continuous"


def max_num_seqs(engine: str, slots: int) -> int:
    """Requests admitted at once: a maximum-length reservation's for vllm-reserved."""
    return {"vllm-sequential": 1, "vllm-reserved": slots // MAX_LENGTH}.get(engine, 256)


def _fill_batches(requests: list[Request], slots: int) -> list[list[Request]]:
    batches: list[list[Request]] = [[]]
    for request in requests:
        grown = [*batches[-1], request]
        width = max(r.prompt for r in grown) + max(r.output for r in grown) - 1
        if len(grown) * width <= slots and width < MAX_LENGTH:
            batches[-1] = grown
        else:
            batches.append([request])
    return [batch for batch in batches if batch]


def _contiguous(batches: list[list[Request]], static_rows: int | None) -> Trace:
    trace, waiting = Trace(), sum(map(len, batches))
    for batch in batches:
        waiting -= len(batch)
        begin, longest = len(trace.steps), max(r.prompt for r in batch)
        for done in range(1, max(r.output for r in batch) + 1):
            width = MAX_LENGTH if static_rows else longest + done - 1
            split = dict.fromkeys(SPLIT, 0)
            for r in batch:
                for name, count in _row(r, width, longest - r.prompt, done).items():
                    split[name] += count
            pool = (static_rows or len(batch)) * width
            prefill = len(batch) * longest if done == 1 else 0
            tokens = {r.id: min(done, r.output) for r in batch}
            seconds = 0.030 + 0.002 * len(batch) + 0.0004 * prefill
            trace.steps.append(Step(seconds, len(batch), waiting, prefill or len(batch), pool, split, tokens))
        for r in batch:
            trace.started[r.id] = trace.first[r.id] = begin
            trace.ended[r.id] = len(trace.steps) - 1
        trace.batches.append((len(batch), begin, len(trace.steps) - 1))
    return trace


def _row(r: Request, width: int, padding: int, done: int) -> dict[str, int]:
    if done > r.output:
        return {"finished": width}
    live = r.prompt + done - 1
    reserved = min(r.final, width - padding) - live
    return {"live": live, "reserved": reserved, "padding": padding, "internal": width - padding - live - reserved}


def _paged(requests: list[Request], blocks: int, limit: int) -> Trace:
    trace, waiting, running = Trace(), list(requests), []
    generated = dict.fromkeys((r.id for r in requests), 0)
    resident: dict[str, list[int]] = {}
    free = list(range(1, blocks + 1))
    preemptions = 0
    while waiting or running:
        scheduled, prefill = 0, 0
        for r in running.copy():
            while r in running and not _grow(resident[r.id], r.prompt + generated[r.id], free):
                victim = running.pop()
                free.extend(resident.pop(victim.id))
                waiting.insert(0, victim)
                preemptions += 1
                trace.preempted[victim.id] = trace.preempted.get(victim.id, 0) + 1
            scheduled += r in running
        while waiting and len(running) < limit:
            r, held = waiting[0], []
            if not _grow(held, r.prompt + generated[r.id], free):
                free.extend(held)
                break
            resident[r.id] = held
            prefill += r.prompt + generated[r.id]
            running.append(waiting.pop(0))
            trace.started.setdefault(r.id, len(trace.steps))
        trace.steps.append(_paged_step(trace, running, waiting, generated, resident, blocks, prefill + scheduled))
        trace.steps[-1].preemptions = preemptions
        for r in running.copy():
            generated[r.id] += 1
            trace.first.setdefault(r.id, len(trace.steps) - 1)
            if generated[r.id] == r.output:
                running.remove(r)
                free.extend(resident.pop(r.id))
                trace.ended[r.id] = len(trace.steps) - 1
    return trace


def _grow(held: list[int], tokens: int, free: list[int]) -> bool:
    while len(held) * BLOCK < tokens:
        if not free:
            return False
        held.append(free.pop(0))
    return True


def _paged_step(trace, running, waiting, generated, resident, blocks, scheduled) -> Step:
    split = dict.fromkeys(SPLIT, 0)
    for r in running:
        live = r.prompt + generated[r.id]
        tail = len(resident[r.id]) * BLOCK - live
        reserved = min(tail, r.final - live)
        for name, count in (("live", live), ("reserved", reserved), ("internal", tail - reserved)):
            split[name] += count
        if len(trace.steps) % 16 == 0:
            trace.blocks.append((len(trace.steps), r.id, live, list(resident[r.id])))
    tokens = {r.id: generated[r.id] + 1 for r in running}
    seconds = 0.022 + 0.0012 * len(running) + 0.0003 * max(scheduled - len(running), 0)
    return Step(seconds, len(running), len(waiting), scheduled, blocks * BLOCK, split, tokens)


def write_run(
    root: Path,
    engine: str,
    workload: str = "mixed",
    *,
    model: str = "smollm2-135m",
    point: str = "base",
    requests: list[Request] | None = None,
    sequential: int = 4,
    repeats: int = 6,
    slots: int = 1088,
    device: str = "cpu",
    temperature: float = 0.0,
    dtype: str = "float32",
    flips: dict[tuple[str, int], int] | None = None,
    seed: int = 0,
    process: int = 1,
    slower: float = 1.0,
) -> Path:
    """Write one run's files under `root` and return the path of its run.json.

    `flips` maps (request id, position) to another token id, from the position on the outputs differ. `slower`
    multiplies all times of this process.
    """
    requests = make_requests(16) if requests is None else requests
    place = point if process == 1 else f"{point}.process-{process}"
    folder = root / model / engine / workload / place
    rng = np.random.default_rng([seed, zlib.crc32(f"{engine}/{workload}/{place}".encode())])
    writer = _Writer(engine, requests, sequential, repeats, slots, device, flips or {}, rng, slower)
    writer.play()
    write_parquet(folder / "kv.parquet", _arrow(writer.kv, KV))
    write_parquet(folder / "requests.parquet", _arrow(writer.rows, REQUESTS))
    write_parquet(folder / "device.parquet", _arrow(writer.device_rows(), DEVICE))
    write_parquet(folder / "blocks.parquet", _arrow(writer.blocks, BLOCKS))
    write_json(folder / "run.json", writer.record(model, workload, point, dtype, temperature) | {"process": process})
    return folder / "run.json"


def write_runs(root: Path, engines=ENGINES, **given) -> list[Path]:
    return [write_run(root, engine, **given) for engine in engines]


def write_margins(run_json: Path, requests: list[Request], near: dict[tuple[str, int], float]) -> None:
    """margins.parquet beside a reference's run.json: 1.0 everywhere but at `near`."""
    keys = [(r.id, i) for r in requests for i in range(r.output)]
    columns = {
        "request_id": [k[0] for k in keys],
        "position": pa.array([k[1] for k in keys], pa.int32()),
        "top1_minus_top2": [near.get(k, 1.0) for k in keys],
    }
    write_parquet(run_json.parent / "margins.parquet", pa.table(columns))


def _arrow(rows: list[dict], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


class _Writer:
    """Plays warm-up and repeats on one clock and collects every file's rows."""

    def __init__(self, engine, requests, sequential, repeats, slots, device, flips, rng, slower):
        self.engine, self.requests, self.subset = engine, requests, requests[:sequential]
        self.repeats_wanted, self.slots, self.device, self.flips, self.rng = repeats, slots, device, flips, rng
        self.now = 1_000_000_000_000
        self.kv, self.rows, self.blocks, self.phases, self.repeats, self.batches = [], [], [], [], [], []
        self.weights, self.slower, self.digests = 540 * MIB, slower, {}

    def play(self) -> None:
        self._phase("initial", 3.0)
        self._phase("loaded", 1.0)
        alone = self.engine.endswith("sequential")
        scopes = ["sequential"] if alone else ["all", "sequential"]
        number = 0
        self._repeat(number, scopes[0], "warm-up", timed=False)
        for scope in scopes:
            for _ in range(self.repeats_wanted):
                number += 1
                self._repeat(number, scope, f"repeat-{number}", timed=True)
        self._repeat(number + 1, scopes[0], "blocks", timed=False)
        self._phase("done", 0.5)

    def _phase(self, name: str, seconds: float) -> None:
        begin = self.now
        self.now += int(seconds * 1e9)
        self.phases.append({"name": name, "start_ns": begin, "end_ns": self.now})

    def _repeat(self, number: int, scope: str, phase: str, timed: bool) -> None:
        requests = self.requests if scope == "all" else self.subset
        trace = simulate(self.engine, requests, self.slots)
        begin, ends = self.now, []
        speed = self.rng.lognormal(0, 0.03) * SLOWDOWN.get(self.engine, 1) * self.slower
        for i, step in enumerate(trace.steps):
            self.kv.append(self._kv_row(number, phase, i, step))
            self.now += int(step.seconds * speed * self.rng.lognormal(0, 0.05) * 1e9)
            ends.append(self.now)
        times = np.array([begin, *ends])
        self._finish(number, scope, phase, timed, trace, requests, times)

    def _finish(self, number, scope, phase, timed, trace, requests, times) -> None:
        if timed:
            self.rows += [self._request_row(number, r, trace, times) for r in requests]
        for k, (rows, first, last) in enumerate(trace.batches):
            span = {"start_ns": int(times[first]), "end_ns": int(times[last + 1])}
            self.batches.append({"repeat": number, "batch": k, "rows": rows, **span})
        if phase == "blocks":
            names = BLOCKS.names
            self.blocks += [dict(zip(names, (number, *found), strict=True)) for found in trace.blocks]
        self.phases.append({"name": phase, "start_ns": int(times[0]), "end_ns": int(times[-1])})
        wall_s = float(times[-1] - times[0]) / 1e9
        if timed:
            self.digests[scope] = f"{zlib.crc32(repr(requests).encode()):x}"
        self.repeats.append(
            {
                "repeat": number,
                "phase": phase,
                "scope": scope,
                "timed": timed,
                "start_ns": int(times[0]),
                "wall_s": wall_s,
                "cpu_s": wall_s * 2 * float(self.rng.uniform(0.95, 0.99)),
                "requests": len(requests),
                "prompt_tokens": sum(r.prompt for r in requests),
                "output_tokens": sum(r.output for r in requests),
                "steps": len(trace.steps),
                "preemptions": trace.steps[-1].preemptions,
                "hook_s": 1e-5 * len(trace.steps),
                "energy_j": None,
            }
        )

    def _kv_row(self, number: int, phase: str, i: int, step: Step) -> dict:
        return {
            "t_ns": self.now,
            "repeat": number,
            "phase": phase,
            "step": i,
            "running": step.running,
            "waiting": step.waiting,
            "scheduled_tokens": step.scheduled,
            "preemptions": step.preemptions,
            "prefix_hit_tokens": 0,
            "pool": step.pool,
            "unshared": sum(step.split.values()),
            "allocated": sum(step.split.values()),
            **step.split,
        }

    def _request_row(self, number: int, r: Request, trace: Trace, times: np.ndarray) -> dict:
        tokens = [r.token(i) for i in range(r.output)]
        for (request, position), other in self.flips.items():
            if request == r.id:
                tokens = tokens[:position] + [other] + [t + 1 for t in tokens[position + 1 :]]
        seconds = (times - times[0]) / 1e9
        return {
            "repeat": number,
            "request_id": r.id,
            "prompt_tokens": r.prompt,
            "output_tokens": r.output,
            "output_token_ids": tokens,
            "text": f"text of {r.id}",
            "start_s": seconds[trace.started[r.id]],
            "first_token_s": seconds[trace.first[r.id] + 1],
            "finish_s": seconds[trace.ended[r.id] + 1],
            "preemptions": trace.preempted.get(r.id, 0) if self.engine.startswith("vllm") else None,
            "cached_tokens": 0,
        }

    @property
    def pool_slots(self) -> int:
        return max(row["pool"] for row in self.kv)

    def device_rows(self) -> list[dict]:
        begin, loaded = self.phases[0]["start_ns"], self.phases[1]["start_ns"]
        kv_t = np.array([row["t_ns"] for row in self.kv])
        pools = np.array([row["pool"] for row in self.kv])
        largest = self.pool_slots
        rows = []
        for t in range(begin, self.now, 100_000_000):
            i = int(np.searchsorted(kv_t, t)) - 1
            preallocated = paged(self.engine) and t >= loaded
            pool = largest if preallocated else int(pools[i]) if i >= 0 else 0
            ramp = min(1.0, (t - begin) / (loaded - begin))
            size = int(320 * MIB + ramp * self.weights + pool * SLOT_BYTES + self.rng.integers(0, 4 * MIB))
            phase = next((p["name"] for p in self.phases if p["start_ns"] <= t < p["end_ns"]), "done")
            rows += self._device_row(t, phase, size)
        return rows

    def _device_row(self, t: int, phase: str, size: int) -> list[dict]:
        host = {"t_ns": t, "phase": phase, "host_rss_bytes": size}
        if self.device == "cpu":
            return [host | {"device_used_bytes": size + 900 * MIB, "device_total_bytes": 8192 * MIB}]
        gpu = {"t_ns": t, "phase": phase, "gpu": 0, "process_bytes": size, "device_used_bytes": size + 400 * MIB}
        return [host, gpu | {"device_total_bytes": 81920 * MIB, "power_w": 310.0}]

    def record(self, model: str, workload: str, point: str, dtype: str, temperature: float) -> dict:
        has_blocks = paged(self.engine)
        limits = {"max_num_seqs": max_num_seqs(self.engine, self.slots), "max_num_batched_tokens": MAX_BATCHED_TOKENS}
        in_force = {"dtype": dtype, "seed": 0, **(limits if self.engine.startswith("vllm") else {})}
        pool_bytes = self.pool_slots * SLOT_BYTES
        gpu = self.device != "cpu"
        parts = {
            "runtime": 250 * MIB,
            "weights": self.weights,
            "kv_pool": pool_bytes,
            "activations_peak": 60 * MIB if gpu else None,
            "cuda_graphs": 40 * MIB if gpu else None,
            "libraries": 25 * MIB if gpu else None,
            "allocator_slack": 12 * MIB if gpu else None,
        }
        total = sum(v for v in parts.values() if v) + 31 * MIB
        return {
            "model": model,
            "engine": self.engine,
            "workload": workload,
            "point": point,
            "settings": {"given": {"temperature": temperature, "top_p": 1.0}, "in_force": in_force},
            "dtype": dtype,
            "device": self.device,
            "threads": 2,
            "slot_bytes": SLOT_BYTES,
            "block_size": BLOCK if has_blocks else None,
            "max_length": MAX_LENGTH,
            "capacity": {
                "budget_bytes": self.slots * SLOT_BYTES,
                "pool_bytes": pool_bytes,
                "pool_slots": self.pool_slots,
                "blocks": self.slots // BLOCK if has_blocks else None,
                "batch_rows": None if has_blocks else max(b["rows"] for b in self.batches),
            },
            "timing": {"import_s": 2.0, "load_s": 1.0, "compile_s": None, "warmup_s": self.repeats[0]["wall_s"]},
            "repeats": self.repeats,
            "batches": self.batches,
            "phases": self.phases,
            "memory": {
                "parts": parts,
                "process_bytes": total,
                "process_source": "NVML" if gpu else "resident set",
                "unattributed_bytes": 31 * MIB,
                "external_fragmentation_bytes": 6 * MIB if gpu else None,
                "allocator_slack_bytes": 12 * MIB if gpu else None,
            },
            "checks": {"split adds up": len(self.kv)},
            "versions": {"transformers": "5.19.0", "torch": "2.13.0"},
            "digests": {"code": "c0de" * 4, "workload": self.digests, "model": "beef" * 4},
        }
