"""Moments of a side with blocks that its data has, each with what was measured there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kvbench.blockmap.events import COMPLETED, PREEMPTED, PREFIX_HIT
from kvbench.blockmap.walk import Walk
from kvbench.blockmap.wording import Names, at, counted, doing

Stop = dict[str, Any]
Change = tuple[int, int, int]
PARTS = ("live", "reserved", "internal", "padding", "finished")
PARTS_OF_RUN = 16


def part_of(step: int, side: dict[str, Any]) -> int:
    """The sixteenth of a side's steps that a step is in; in a shorter run the step itself."""
    return step * min(PARTS_OF_RUN, len(side["t_us"])) // len(side["t_us"])


class Scout:
    """Looks for moments while it goes through a side's steps once."""

    def __init__(self, requests: Sequence[dict[str, Any]], sides: Sequence[dict[str, Any]], number: int) -> None:
        """Of side `number` of `sides`."""
        side = sides[number]
        self.requests, self.side, self.number, self.walk = requests, side, number, Walk(side)
        self.names = Names(requests)
        self.first = -1  # step of the first block
        self.most = max(side["running"], default=0)
        self.freed: dict[int, tuple[int, int, int]] = {}  # cell -> request that ended, its last step, its blocks
        self.kinds: dict[int, list[tuple[int, int]]] = {}
        flat = side["events"]
        for step, kind, request in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            self.kinds.setdefault(step, []).append((kind, request))
        self.ends = {
            request: step for step, found in self.kinds.items() for kind, request in found if kind == COMPLETED
        }

    def stops(self) -> dict[str, list[Stop]]:
        """The moments that there were, by name: of each part of the run the first one of that name."""
        during: dict[str, Callable[[list[Change]], Stop | None]] = {
            "edge": self.crosses_an_edge,
            "reuse": self.takes_freed_blocks,
            "preempted": self.is_preempted,
            "prefix": self.finds_a_prefix,
        }
        found: dict[str, dict[int, Stop]] = {}
        for changes in self.walk.steps():
            self._note_freed(changes)
            self._after(self.walk.step - 1, found)
            if "first" not in found and (stop := self.first_block(changes)):
                found["first"], self.first = {0: stop}, self.walk.step
            for name, look in during.items():
                self._note(found, name, self.walk.step, lambda _, look=look, changes=changes: look(changes))
        self._after(self.walk.step, found)
        return {name: list(parts.values()) for name, parts in found.items()}

    def _after(self, step: int, found: dict[str, dict[int, Stop]]) -> None:
        """What is seen when the changes of a step have been made."""
        if step >= 0:
            self._note(found, "queue", step, self.queue_waits)
            self._note(found, "most", step, self.most_at_once)

    def _note(
        self, found: dict[str, dict[int, Stop]], name: str, step: int, look: Callable[[int], Stop | None]
    ) -> None:
        """Look for a moment at a step, if its part of the run has none of that name, or one beside the first block."""
        part = part_of(step, self.side)
        held = found.get(name, {}).get(part)
        if (held is None or held["step"] == self.first) and (stop := look(step)):
            found.setdefault(name, {})[part] = stop

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
            f"number {self.block(cell)}; the pool has {self.side['cells']:,}."
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
                    f"tokens. Token {tokens:,} goes into one more, block {self.block(cell)}: "
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
                f"these, block {self.block(cell)} first."
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

    def queue_waits(self, step: int) -> Stop | None:
        """After a step's changes: the free blocks do not hold the next request of the queue."""
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

    def most_at_once(self, step: int) -> Stop | None:
        """After a step's changes: as many requests run as ever in this run."""
        if self.side["running"][step] < self.most:
            return None
        slots = sum(self.side[part][step] for part in PARTS)
        text = (
            f"{doing(self.most, 'request', 'run')}, the most of this run, in {self.walk.used:,} of "
            f"{counted(self.side['cells'], 'block')}. {self.side['live'][step]:,} of {slots:,} allocated slots hold a "
            "token."
        )
        return self.stop("The most requests at once", text, None, None, step)

    def stop(self, title: str, text: str, request: int | None, cell: int | None, step: int | None = None) -> Stop:
        """A stop at a step (None: this one), which its text names."""
        step = self.walk.step if step is None else step
        where = f", in {self.side['engine']}" if self.number else ""
        text = f"{at(self.walk.times, step)}{where}: {text}"
        return {"title": title, "text": text, "side": self.number, "step": step, "request": request, "cell": cell}

    def block(self, cell: int) -> str:
        """The engine's own number of a block."""
        return f"{cell + self.side.get('first_block', 0):,}"

    def _waits(self, request: int, step: int, arrives: Sequence[int]) -> bool:
        return request not in self.walk.tables and arrives[request] <= step < self.ends.get(request, step + 1)

    def _note_freed(self, changes: list[Change]) -> None:
        for request, logical, _ in changes:
            if logical < 0 and self.ends.get(request, self.walk.step) < self.walk.step:
                table = self.walk.tables.get(request, [])
                self.freed |= {cell: (request, self.ends[request], len(table)) for cell in table}
