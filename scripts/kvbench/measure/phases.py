"""The phases of a run."""

from __future__ import annotations

import time
from typing import Any

from kvbench.lifetime import link


class Phases:
    """The phases of a run, with their start and end times."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.name = "initial"
        self.start_ns = time.monotonic_ns()

    def enter(self, name: str) -> None:
        """End the current phase and begin another."""
        now = time.monotonic_ns()
        self.done.append({"name": self.name, "start_ns": self.start_ns, "end_ns": now})
        self.name, self.start_ns = name, now
        link.phase(name)

    def rename(self, since_ns: int, name: str) -> None:
        """Rename all finished phases that began at `since_ns` or later."""
        for phase in self.done:
            if phase["start_ns"] >= since_ns:
                phase["name"] = name
