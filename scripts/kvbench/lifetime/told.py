"""What a warden knows of its job, from the lines that the job sends."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from kvbench.lifetime import link


@dataclass
class Told:
    """Phase, limit and indispensable processes of a job that began at `began` (CLOCK_MONOTONIC, seconds).

    `starting`: its engine starts in processes of its own.

    `given_s` is the user's limit, 0 for none; until the job says what its work takes, `limit_s` holds.
    """

    began: float
    given_s: float
    limit_s: float
    phase: str = "start"
    starting: bool = False
    watched: dict[int, str] = field(default_factory=dict)
    _waiting_since: float | None = None
    _waited_s: float = 0.0

    def __post_init__(self) -> None:
        self.limit_s = self.given_s or self.limit_s

    def take(self, line: str, now: float) -> None:
        """Take one line of `link` that came at `now`."""
        kind, _, rest = line.partition(" ")
        if kind == link.PHASE:
            self.phase = rest
        elif kind == link.LIMIT:
            self.limit_s = self.given_s or float(rest)
        elif kind == link.WAIT:
            self._waiting_since = now
        elif kind == link.GO and self._waiting_since is not None:
            self._waited_s += now - self._waiting_since
            self._waiting_since = None
        elif kind in (link.STARTING, link.STARTED):
            self.starting = kind == link.STARTING
        elif kind == link.WATCH:
            pid, _, name = rest.partition(" ")
            self.watched[int(pid)] = name
        elif kind == link.UNWATCH:
            self.watched.clear()

    def left_s(self, now: float) -> float:
        """Seconds until the limit; infinite while the job waits for others."""
        if self._waiting_since is not None:
            return math.inf
        return self.began + self.limit_s + self._waited_s - now
