"""Record a synthetic run: the rows of its Parquet files and its run.json."""

from __future__ import annotations

import zlib

import numpy as np

from builders.simulated_engine import MAX_LENGTH, Step, Trace, block_slots, max_num_seqs, paged, simulate
from builders.simulated_requests import Request
from kvbench.records import BLOCKS, SPLIT

SLOT_BYTES = 46_080
SLOWDOWN = {
    "hf-static-compiled": 0.5,
    "vllm-contiguous": 0.9,
    "vllm-eager": 1.25,
}  # step time relative to the engine's base variant
MAX_BATCHED_TOKENS = 4096
MIB = 1 << 20


def upkeep(running: int) -> dict[str, int]:
    """Upkeep of a step in ns."""
    return {"allocate_ns": 20_000 * running, "tables_ns": 100_000 + 5_000 * running, "recording_ns": 10_000}


def host(device: str) -> dict[str, object]:
    """The host of every run, as run.json has it; tests change its id and that of its GPU."""
    cards = {"gpus": [], "gpu_ids": [], "driver": None}
    if device != "cpu":
        cards = {"gpus": ["NVIDIA A100-SXM4-40GB"], "gpu_ids": ["0a0a0a0a"], "driver": "580.1"}
    return {"id": "a1b2c3d4", "cpu": "AMD EPYC", "cpus": 4, "cpus_usable": 2, **cards}


class Recording:
    """Simulate warm-up and repeats on one clock and collect the rows of every file."""

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
            self.blocks += [dict(zip(names, (number, *found, 0, 0, False), strict=True)) for found in trace.blocks]
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
            **dict.fromkeys(SPLIT, 0),
            **step.split,
            **(upkeep(step.running) if phase == "blocks" and self.engine.startswith("vllm") else {}),
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
            "host": host(self.device),
            "threads": 2,
            "slot_bytes": SLOT_BYTES,
            "block_size": block_slots(self.engine) if has_blocks else None,
            "blocks_every": 1 if has_blocks else None,
            "max_length": MAX_LENGTH,
            "capacity": {
                "budget_bytes": self.slots * SLOT_BYTES,
                "pool_bytes": pool_bytes,
                "pool_slots": self.pool_slots,
                "blocks": self.slots // block_slots(self.engine) if has_blocks else None,
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
