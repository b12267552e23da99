"""A tour of a map: moments of the first side that its data has, each with what was measured there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kvbench.blockmap.events import COMPLETED, PREEMPTED, PREFIX_HIT
from kvbench.blockmap.walk import Walk
from kvbench.blockmap.wording import Names, at, counted, doing

Stop = dict[str, Any]
Change = tuple[int, int, int]
PARTS = ("live", "reserved", "internal", "padding", "finished")


def tour_of(requests: Sequence[dict[str, Any]], sides: Sequence[dict[str, Any]]) -> list[Stop]:
    """The stops, in order of time; the second side at the fullest moment of the queue comes after that moment."""
    if not sides:
        return []
    scout = Scout(requests, sides[0])
    stops = sorted(scout.stops().items(), key=lambda item: item[1]["step"])
    anchor = next((name for name in ("queue", "most") if name in dict(stops)), None)
    found: list[Stop] = []
    for name, stop in stops:
        found.append(stop)
        if name == anchor and len(sides) > 1:
            found += beside(sides, stop["step"])
    return found


class Scout:
    """Looks for each moment while it goes through a side's steps once; the first of a kind counts."""

    def __init__(self, requests: Sequence[dict[str, Any]], side: dict[str, Any]) -> None:
        self.requests, self.side, self.walk = requests, side, Walk(side)
        self.names = Names(requests)
        self.most = int(np.argmax(side["running"])) if side["running"] else -1
        self.freed: dict[int, tuple[int, int, int]] = {}  # cell -> request that ended, its last step, its blocks
        self.complete: set[int] = set()
        self.kinds: dict[int, list[tuple[int, int]]] = {}
        flat = side["events"]
        for step, kind, request in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            self.kinds.setdefault(step, []).append((kind, request))
        self.ends = {
            request: step for step, found in self.kinds.items() for kind, request in found if kind == COMPLETED
        }

    def stops(self) -> dict[str, Stop]:
        """The moments that there were, by name."""
        before: dict[str, Callable[[list[Change]], Stop | None]] = {
            "first": self.first_block,
            "edge": self.crosses_an_edge,
            "reuse": self.takes_freed_blocks,
            "preempted": self.is_preempted,
            "prefix": self.finds_a_prefix,
        }
        found: dict[str, Stop] = {}
        for changes in self.walk.steps():
            self._note_freed(changes)
            for name, look in before.items():
                if name not in found and (stop := look(changes)):
                    found[name] = stop
            if "queue" not in found and self.walk.step and (stop := self.queue_waits()):
                found["queue"] = stop
            if self.walk.step == self.most + 1:
                found["most"] = self.most_at_once()
        return found

    def first_block(self, changes: list[Change]) -> Stop | None:
        """The first block of all."""
        if not changes:
            return None
        request, _, cell = changes[0]
        blocks = sum(1 for change in changes if change[0] == request)
        tokens, size = self.walk.tokens(request), self.side["cell_slots"]
        text = (
            f"{self.names.of(request)} is admitted with a prompt of "
            f"{counted(self.requests[request]['prompt_tokens'], 'token')}. {counted(tokens, 'token')} are in the cache "
            f"after this step, in {counted(blocks, 'block')} of {counted(size, 'slot')} each. Its first block is "
            f"number {self.number(cell)}; the pool has {self.side['cells']:,}."
        )
        return self.stop("The first block", text, request, cell)

    def crosses_an_edge(self, changes: list[Change]) -> Stop | None:
        """A request that generates needs a block more."""
        for request, logical, cell in changes:
            tokens, size = self.walk.tokens(request), self.side["cell_slots"]
            one_more = tokens == self.walk.tokens(request, self.walk.step - 1) + 1
            if one_more and logical > 0 and logical == len(self.walk.tables.get(request, [])):
                text = (
                    f"{self.names.of(request)} had filled its {counted(logical, 'block')} with {logical * size:,} "
                    f"tokens. Token {tokens:,} goes into one more, block {self.number(cell)}: "
                    f"{tokens - logical * size} of its {counted(size, 'slot')} is filled."
                )
                return self.stop("A request crosses the edge of a block", text, request, cell)
        return None

    def takes_freed_blocks(self, changes: list[Change]) -> Stop | None:
        """A block of a request that has ended goes to another one."""
        for request, logical, cell in changes:
            if logical < 0 or cell not in self.freed or self.freed[cell][0] == request:
                continue
            ended, last, blocks = self.freed[cell]
            taken = {
                c for r, logical, c in changes if r == request and logical >= 0 and self.freed.get(c, (-1,))[0] == ended
            }
            text = (
                f"{self.names.of(ended)} generated its last token in step {last:,} and gave back "
                f"{counted(blocks, 'block')}. Now {self.names.of(request)} takes {counted(len(taken), 'block')} of "
                f"these, block {self.number(cell)} first."
            )
            return self.stop("One ends, and another takes its blocks", text, request, cell)
        return None

    def is_preempted(self, changes: list[Change]) -> Stop | None:
        """A request loses its blocks."""
        for kind, request in self.kinds.get(self.walk.step, []):
            if kind == PREEMPTED:
                blocks = len(self.walk.tables.get(request, []))
                text = (
                    f"{self.names.of(request)} loses its {counted(blocks, 'block')} with "
                    f"{counted(self.walk.tokens(request, self.walk.step - 1), 'token')}, and waits again. "
                    f"{counted(self.walk.free, 'block')} were free before this step. What it has generated so far is "
                    "kept as text; its keys and values have to be computed again."
                )
                return self.stop("A request is preempted", text, request, None)
        return None

    def finds_a_prefix(self, changes: list[Change]) -> Stop | None:
        """A request begins with blocks that are there already."""
        for kind, request in self.kinds.get(self.walk.step, []):
            if kind == PREFIX_HIT:
                pairs = self.side["hits"][request]
                hits = dict(zip(pairs[::2], pairs[1::2], strict=True)).get(self.walk.step, 0)
                cell = next((c for r, logical, c in changes if r == request and logical == 0), None)
                text = (
                    f"{self.names.of(request)} finds the first {hits * self.side['cell_slots']:,} of its "
                    f"{counted(self.requests[request]['prompt_tokens'], 'prompt token')} in the cache, in "
                    f"{counted(hits, 'block')} that it does not fill again."
                )
                return self.stop("A shared prefix", text, request, cell)
        return None

    def queue_waits(self) -> Stop | None:
        """Before this step's changes: the free blocks do not hold the next request of the queue."""
        step = self.walk.step - 1
        waiting = self.side["waiting"][step]
        if not waiting or not self.walk.tables:
            return None
        arrives = self.side.get("arrives") or [0] * len(self.requests)
        request = next((r for r in range(len(arrives)) if self._waits(r, step, arrives)), None)
        if request is None:
            return None
        prompt, size = self.requests[request]["prompt_tokens"], self.side["cell_slots"]
        needed = -(-prompt // size)
        if self.walk.free >= needed:
            return None
        text = (
            f"{doing(waiting, 'request', 'wait')}, {self.side['running'][step]:,} running. The next one, "
            f"{self.names.of(request)}, needs {counted(needed, 'block')} for its prompt of {counted(prompt, 'token')}; "
            f"{self.walk.free:,} of {self.side['cells']:,} are free."
        )
        return self.stop("The queue waits for blocks", text, request, None, step)

    def most_at_once(self) -> Stop:
        """The step with the most running requests, after its changes."""
        slots = sum(self.side[part][self.most] for part in PARTS)
        text = (
            f"{doing(self.side['running'][self.most], 'request', 'run')}, the most of this run, in "
            f"{self.walk.used:,} of {counted(self.side['cells'], 'block')}. {self.side['live'][self.most]:,} of "
            f"{slots:,} allocated slots hold a token."
        )
        return self.stop("The most requests at once", text, None, None, self.most)

    def stop(self, title: str, text: str, request: int | None, cell: int | None, step: int | None = None) -> Stop:
        """A stop at a step (None: this one), which its text names."""
        step = self.walk.step if step is None else step
        text = f"{at(self.walk.times, step)}: {text}"
        return {"title": title, "text": text, "side": 0, "step": step, "request": request, "cell": cell}

    def number(self, cell: int) -> str:
        """The engine's own number of a block."""
        return f"{cell + self.side.get('first_block', 0):,}"

    def _waits(self, request: int, step: int, arrives: Sequence[int]) -> bool:
        return request not in self.walk.tables and arrives[request] <= step < self.ends.get(request, step + 1)

    def _note_freed(self, changes: list[Change]) -> None:
        for request, logical, _ in changes:
            if logical < 0 and self.ends.get(request, self.walk.step) < self.walk.step:
                table = self.walk.tables.get(request, [])
                self.freed |= {cell: (request, self.ends[request], len(table)) for cell in table}


def beside(sides: Sequence[dict[str, Any]], step: int) -> list[Stop]:
    """The second side at the instant of a step of the first, if it served requests then."""
    time = int(np.sum(sides[0]["t_us"][: step + 1]))
    times = np.cumsum(sides[1]["t_us"])
    there = int(np.searchsorted(times, time, side="right")) - 1
    if there < 0 or not sides[1]["running"][there]:
        return []
    first, second = (_numbers(side, at_step) for side, at_step in ((sides[0], step), (sides[1], there)))
    text = (
        f"{at(times, there)}: in {sides[1]['engine']}, {second}. At the same instant in {sides[0]['engine']}, {first}."
    )
    return [{"title": "The same instant without paging", "text": text, "side": 1, "step": there, **NOTHING}]


NOTHING = {"request": None, "cell": None}


def _numbers(side: dict[str, Any], step: int) -> str:
    slots = sum(side[part][step] for part in PARTS)
    return (
        f"{doing(side['running'][step], 'request', 'run')}, {side['waiting'][step]:,} waiting; "
        f"{side['live'][step]:,} of {slots:,} allocated slots hold a token"
    )
