"""Documents of the block map from small simulations: a paged cache with preemption and sharing, and padded rows.

The arrays of slots come from the formulas of `kvbench.kv.split`; `holds` is what each request held, step by step.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from builders.simulated_requests import Request
from kvbench.kv.split import Split, blocks_for, split_paged, split_rows

ADMITTED, BLOCK_ADDED, COMPLETED, PREEMPTED, PREFIX_HIT = range(5)
SLOT_BYTES = 4096


@dataclass
class Recorder:
    """Collects a side's steps. A request's tokens become a pair only where they do not grow by one."""

    requests: Sequence[Request]
    arrays: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in ("t_us", "running", "waiting")})
    splits: list[Split] = field(default_factory=list)
    changes: list[list[int]] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    holds: list[dict[int, list[int]]] = field(default_factory=list)
    now: dict[int, list[int]] = field(default_factory=dict)
    stored: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokens = [[] for _ in self.requests]
        self.changes.append([])

    @property
    def step(self) -> int:
        return len(self.holds)

    def event(self, kind: int, request: int) -> None:
        self.events += [self.step, kind, request]

    def give(self, request: int, cell: int) -> None:
        table = self.now.setdefault(request, [])
        self.changes[self.step] += [request, len(table), cell]
        table.append(cell)

    def empty(self, request: int) -> None:
        self.now.pop(request)
        self.changes[self.step] += [request, -1, -1]

    def record(self, stored: dict[int, int], split: Split, running: int, waiting: int) -> None:
        for request, pairs in enumerate(self.tokens):
            before, tokens = self.stored.get(request, -1), stored.get(request, -1)
            if tokens != (before + 1 if before >= 0 else -1):
                pairs += [self.step, tokens]
        self.stored = dict(stored)
        self.splits.append(split)
        for name, value in (("t_us", 900 + 35 * len(stored)), ("running", running), ("waiting", waiting)):
            self.arrays[name].append(value)
        self.holds.append({request: list(cells) for request, cells in self.now.items()})
        self.changes.append([])

    def side(self, **values: Any) -> dict[str, Any]:
        parts = {name: [int(getattr(split, name)) for split in self.splits] for name in Split._fields}
        return {
            "slot_bytes": SLOT_BYTES,
            "every": 1,
            **self.arrays,
            **parts,
            "changes": self.changes[: self.step],
            "tokens": self.tokens,
            "final": [request.final for request in self.requests],
            "events": self.events,
            **values,
        }


class PagedPool:
    """A free list of blocks; a block of a shared prefix has several holders."""

    def __init__(self, blocks: int, block_size: int):
        self.free = deque(range(blocks))
        self.size = block_size
        self.holders = [0] * blocks
        self.prefix: list[int] = []

    def take(self) -> int:
        cell = self.free.popleft()
        self.holders[cell] = 1
        return cell

    def release(self, cells: Sequence[int]) -> None:
        for cell in reversed(cells):
            self.holders[cell] -= 1
            if self.holders[cell] == 0:
                self.free.append(cell)
                self.prefix = [kept for kept in self.prefix if kept != cell] if cell in self.prefix else self.prefix


@dataclass
class PagedRun:
    """First come, first served: blocks on demand; without a free block the request that came last is preempted."""

    requests: Sequence[Request]
    pool: PagedPool
    chunk: int
    shared_prefix: int
    out: Recorder
    waiting: deque[int] = field(default_factory=deque)
    running: list[int] = field(default_factory=list)
    stored: dict[int, int] = field(default_factory=dict)
    generated: list[int] = field(default_factory=list)

    def run(self) -> Recorder:
        self.waiting = deque(range(len(self.requests)))
        self.generated = [0] * len(self.requests)
        while self.waiting or self.running:
            preempted = self.grow_running()
            if not preempted:
                self.admit()
            assert self.running, "the pool is too small for the first request"
            self.out.record(self.stored, self.split(), len(self.running), len(self.waiting))
            self.finish_step()
        return self.out

    def advance(self, request: int) -> int:
        """Tokens after the next step: a piece of those not in the cache yet."""
        known = self.requests[request].prompt + self.generated[request]
        return min(known, self.stored.get(request, 0) + self.chunk)

    def grow_running(self) -> bool:
        preempted = False
        for request in list(self.running):
            if request not in self.running:
                continue
            needed = int(blocks_for(self.advance(request), self.pool.size)) - len(self.out.now[request])
            while needed > len(self.pool.free) and request in self.running:
                self.preempt(self.running[-1])
                preempted = True
            if request in self.running:
                for _ in range(needed):
                    self.out.give(request, self.pool.take())
                    self.out.event(BLOCK_ADDED, request)
                self.stored[request] = self.advance(request)
        return preempted

    def preempt(self, request: int) -> None:
        self.out.event(PREEMPTED, request)
        self.drop(request)
        self.waiting.appendleft(request)

    def drop(self, request: int) -> None:
        self.pool.release(self.out.now[request])
        self.out.empty(request)
        self.running.remove(request)
        del self.stored[request]

    def admit(self) -> None:
        while self.waiting:
            request = self.waiting[0]
            hits = self.pool.prefix if self.requests[request].prompt > self.shared_prefix else []
            self.stored[request] = len(hits) * self.pool.size
            needed = int(blocks_for(self.advance(request), self.pool.size)) - len(hits)
            if needed > len(self.pool.free):
                del self.stored[request]
                return
            self.running.append(self.waiting.popleft())
            self.out.event(ADMITTED, request)
            self.place(request, list(hits), needed)

    def place(self, request: int, hits: list[int], needed: int) -> None:
        if hits:
            self.out.event(PREFIX_HIT, request)
        for cell in hits:
            self.pool.holders[cell] += 1
            self.out.give(request, cell)
        for _ in range(needed):
            self.out.give(request, self.pool.take())
        self.stored[request] = self.advance(request)
        if self.shared_prefix and not self.pool.prefix and self.stored[request] >= self.shared_prefix:
            self.pool.prefix = self.out.now[request][: self.shared_prefix // self.pool.size]

    def split(self) -> Split:
        """Every request has its own tail; a shared block, which is full, counts once."""
        held = list(self.running)
        final = [self.requests[request].final for request in held]
        own = split_paged([self.stored[r] for r in held], final, np.zeros(len(held), bool), self.pool.size).sum()
        used = len({cell for cells in self.out.now.values() for cell in cells}) * self.pool.size
        return own._replace(live=used - own.reserved - own.internal)

    def finish_step(self) -> None:
        """Requests with all known tokens in the cache generate one; the complete ones give their blocks back."""
        for request in list(self.running):
            wanted = self.requests[request]
            if self.stored[request] == wanted.prompt + self.generated[request]:
                self.generated[request] += 1
            if self.generated[request] == wanted.output:
                self.out.events += [self.out.step - 1, COMPLETED, request]
                self.drop(request)


@dataclass
class Simulated:
    """A document and, of each side and step, the cells that each request holds."""

    document: dict[str, Any]
    holds: list[list[dict[int, list[int]]]]

    def encoded(self) -> str:
        return encode(self.document)


def paged_side(
    requests: Sequence[Request],
    *,
    engine: str = "vllm",
    blocks: int = 40,
    block_size: int = 16,
    chunk: int = 512,
    shared_prefix: int = 0,
) -> tuple[dict[str, Any], list[dict[int, list[int]]]]:
    """A paged side. `shared_prefix`: tokens, in whole blocks, with which every longer prompt begins."""
    pool = PagedPool(blocks, block_size)
    out = PagedRun(requests, pool, chunk, shared_prefix, Recorder(requests)).run()
    source = "A simulation: blocks on demand, read at every step."
    sizes = {"cells": blocks, "cell_slots": block_size, "pool_slots": blocks * block_size}
    return out.side(engine=engine, form="paged", source=source, **sizes), out.holds


def rows_side(
    requests: Sequence[Request],
    *,
    engine: str = "hf-static",
    rows: int = 3,
    width: int | None = 256,
    pool_slots: int = 0,
) -> tuple[dict[str, Any], list[dict[int, list[int]]]]:
    """Padded batches in order of arrival, as wide as `width` or, if it is None, as far as their tokens reach."""
    out = Recorder(requests)
    widths: list[int] = []
    pads = [0] * len(requests)
    for first in range(0, len(requests), rows):
        _serve_batch(out, range(first, min(first + rows, len(requests))), width, widths, pads)
    sizes = {"cells": min(rows, len(requests)), "cell_slots": None, "pool_slots": pool_slots or rows * max(widths)}
    source = "A simulation: one row for each request, until its whole batch has ended."
    return out.side(engine=engine, form="rows", source=source, **sizes, pads=pads, width=widths), out.holds


def _serve_batch(out: Recorder, batch: range, width: int | None, widths: list[int], pads: list[int]) -> None:
    members = [out.requests[request] for request in batch]
    prompt, output = (np.array([getattr(member, name) for member in members]) for name in ("prompt", "output"))
    for request in list(out.now):
        out.empty(request)
    for row, request in enumerate(batch):
        out.event(ADMITTED, request)
        out.give(request, row)
        pads[request] = int(prompt.max()) - out.requests[request].prompt
    for number in range(1, int(output.max()) + 1):
        widths.append(width or int(prompt.max()) + number - 1)
        stored, ended = prompt + number - 1, number > output
        split = split_rows(widths[-1], prompt.max() - prompt, stored, prompt + output - 1, ended).sum()
        for request in np.array(batch)[output == number]:
            out.event(COMPLETED, int(request))
        held = dict(zip(batch, stored.tolist(), strict=True))
        out.record(held, split, int((~ended).sum()), len(out.requests) - batch.stop)


def simulate(
    requests: Sequence[Request], *sides: Any, model: str = "tiny", workload: str = "mixed", **more: Any
) -> Simulated:
    """A document of these sides, as `paged_side` and `rows_side` return them."""
    document = {
        "version": 1,
        "model": model,
        "workload": workload,
        "requests": [_described(request) for request in requests],
        "sides": [side for side, _ in sides],
        "tour": [],
        **more,
    }
    return Simulated(document, [holds for _, holds in sides])


def _described(request: Request) -> dict[str, Any]:
    words = ("the", "cache", "holds", "one", "token", "in", "each", "slot", "of", "a", "block")
    said = [f" {words[request.token(i) % len(words)]}" for i in range(request.output)]
    prompt = " ".join(words[request.token(-i - 1) % len(words)] for i in range(request.prompt))
    sizes = {"prompt_tokens": request.prompt, "output_tokens": request.output}
    return {"id": request.id, **sizes, "prompt": prompt, "output": said}


def encode(document: dict[str, Any]) -> str:
    """Base64 of the document's JSON, compressed with gzip, as a page embeds it."""
    return base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0)).decode()
