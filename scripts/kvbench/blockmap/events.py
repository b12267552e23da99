"""What happened to requests, by step."""

from __future__ import annotations

ADMITTED, BLOCK_ADDED, COMPLETED, PREEMPTED, PREFIX_HIT = range(5)


class Events:
    """Events of a side. Blocks that are added are not among them: they follow from the changes of the tables."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int, int]] = []

    def add(self, step: int, kind: int, request: int) -> None:
        """Note that something happened to a request in a step."""
        self.found.append((step, kind, request))

    def flat(self) -> list[int]:
        """[step, kind, request, step, ...] in order of steps; within one, requests are completed last."""
        ordered = sorted(self.found, key=lambda event: (event[0], event[1] == COMPLETED))
        return [value for event in ordered for value in event]
