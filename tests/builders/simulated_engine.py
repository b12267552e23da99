"""A small step-by-step simulation of each engine: when it serves each request and what the cache holds at each step.

It computes every split from the rules in docs/kv.md without kvbench.kv, so that tables and figures are tested
against an independent source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from builders.simulated_requests import Request
from kvbench.records import SPLIT

MAX_LENGTH = 512
BLOCK = 32
RESERVED = {  # slots that a request needs to be admitted
    "vllm-reserved-power-of-two": lambda r: min(r.prompt + (1 << (r.output - 1).bit_length()) - 1, MAX_LENGTH),
    "vllm-reserved-oracle": lambda r: r.final,
}


@dataclass
class Step:
    """One engine step: its duration and the cache contents after scheduling."""

    seconds: float
    running: int
    waiting: int
    scheduled: int
    pool: int
    split: dict[str, int]
    tokens: dict[str, int]  # request id -> tokens generated so far
    preemptions: int = 0


@dataclass
class Trace:
    steps: list[Step] = field(default_factory=list)
    started: dict[str, int] = field(default_factory=dict)  # request id -> step
    first: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    batches: list[tuple[int, int, int]] = field(default_factory=list)  # rows, first step, last step
    preempted: dict[str, int] = field(default_factory=dict)
    blocks: list[tuple[int, str, int, list[int]]] = field(default_factory=list)


def simulate(engine: str, requests: list[Request], slots: int) -> Trace:
    """Serve the requests with a cache of `slots` token slots."""
    if paged(engine):
        block = block_slots(engine)
        return _paged(requests, slots // block, max_num_seqs(engine, slots), block, RESERVED.get(engine))
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
    """Return the limit on running requests; for some engines, as many as maximum-length reservations fit."""
    reserved = slots // MAX_LENGTH
    return {"vllm-sequential": 1, "vllm-contiguous": reserved, "vllm-reserved": reserved}.get(engine, 256)


def block_slots(engine: str) -> int:
    """Return the slots of a block; a single one of vllm-contiguous holds a request of the maximum length."""
    return MAX_LENGTH if engine == "vllm-contiguous" else BLOCK


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


def _paged(
    requests: list[Request], blocks: int, limit: int, block: int, reserved: Callable[[Request], int] | None
) -> Trace:
    trace, waiting, running = Trace(), list(requests), []
    generated = dict.fromkeys((r.id for r in requests), 0)
    resident: dict[str, list[int]] = {}
    free = list(range(1, blocks + 1))
    preemptions = 0
    while waiting or running:
        scheduled, prefill = 0, 0
        for r in running.copy():
            while r in running and not _grow(resident[r.id], r.prompt + generated[r.id], free, block):
                victim = running.pop()
                free.extend(resident.pop(victim.id))
                waiting.insert(0, victim)
                preemptions += 1
                trace.preempted[victim.id] = trace.preempted.get(victim.id, 0) + 1
            scheduled += r in running
        while waiting and len(running) < limit:
            r, held = waiting[0], []
            if reserved and sum(-(-reserved(one) // block) for one in (*running, r)) > blocks:
                break
            if not _grow(held, r.prompt + generated[r.id], free, block):
                free.extend(held)
                break
            resident[r.id] = held
            prefill += r.prompt + generated[r.id]
            running.append(waiting.pop(0))
            trace.started.setdefault(r.id, len(trace.steps))
        pool = blocks * block
        trace.steps.append(_paged_step(trace, running, waiting, generated, resident, pool, block, prefill + scheduled))
        trace.steps[-1].preemptions = preemptions
        for r in running.copy():
            generated[r.id] += 1
            trace.first.setdefault(r.id, len(trace.steps) - 1)
            if generated[r.id] == r.output:
                running.remove(r)
                free.extend(resident.pop(r.id))
                trace.ended[r.id] = len(trace.steps) - 1
    return trace


def _grow(held: list[int], tokens: int, free: list[int], block: int) -> bool:
    while len(held) * block < tokens:
        if not free:
            return False
        held.append(free.pop(0))
    return True


def _paged_step(trace, running, waiting, generated, resident, pool, block, scheduled) -> Step:
    split = dict.fromkeys(SPLIT, 0)
    for r in running:
        live = r.prompt + generated[r.id]
        tail = len(resident[r.id]) * block - live
        reserved = min(tail, r.final - live)
        for name, count in (("live", live), ("reserved", reserved), ("internal", tail - reserved)):
            split[name] += count
        trace.blocks.append((len(trace.steps), r.id, live, list(resident[r.id])))
    tokens = {r.id: generated[r.id] + 1 for r in running}
    seconds = 0.022 + 0.0012 * len(running) + 0.0003 * max(scheduled - len(running), 0)
    return Step(seconds, len(running), len(waiting), scheduled, pool, split, tokens)
