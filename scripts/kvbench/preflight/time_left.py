"""How long a call still takes, from the benchmark files that the jobs of earlier calls left under logs/."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

HOUR = 3600


class TimeLeft:
    """Adds up what earlier runs of the jobs that are still to come took.

    A job that measures takes all cores; the others share them. Which jobs of a rule will run is not known before they
    begin, so those to come count as the mean of the rule's files that no job of this call has used yet. Nothing is said
    where a measuring rule to come has no file, where a checkpoint has changed the number of jobs, or on a cluster,
    where jobs also wait and `cores` is 0.
    """

    def __init__(self, logs: Path, measuring: Callable[[], Collection[str]], cores: Callable[[], int]) -> None:
        self._logs, self._measuring, self._cores = logs, measuring, cores
        self._known: dict[str, dict[str, float]] = {}
        self._to_come: Counter[str] = Counter()

    def plan(self, counts: Mapping[str, int]) -> None:
        """Jobs by rule, when a call begins; reads the files."""
        self.forget()
        if not self._cores():
            return
        self._to_come = Counter(counts)
        for path in self._logs.rglob("*.tsv"):
            if (seconds := _seconds(path)) is not None:
                rule = path.relative_to(self._logs).with_suffix("").parts[0]
                self._known.setdefault(rule, {})[str(path)] = seconds

    def forget(self) -> None:
        """Other jobs came, so nothing can be said any more."""
        self._known, self._to_come = {}, Counter()

    def begin(self, rule: str, benchmark: str | None) -> str:
        """The words for the line of a job that begins, such as `about 3 min left`; empty if there is no estimate."""
        means = {name: sum(files.values()) / len(files) for name, files in self._known.items() if files}
        own = self._known.get(rule, {})
        if len(own) > 1 and benchmark in own:
            running = own.pop(benchmark)
        else:
            running = own.get(benchmark or "", means.get(rule, 0.0))
        unknown = {name for name, jobs in (self._to_come).items() if jobs > 0} - set(means)
        self._to_come[rule] -= 1
        if not means or unknown & set(self._measuring()):
            return ""
        means = {name: sum(files.values()) / len(files) for name, files in self._known.items() if files}
        return in_words(self._cost(rule, running) + sum(self._rest(name, means) for name in self._to_come))

    def _rest(self, rule: str, means: Mapping[str, float]) -> float:
        return self._cost(rule, max(self._to_come[rule], 0) * means.get(rule, 0.0))

    def _cost(self, rule: str, seconds: float) -> float:
        return seconds if rule in self._measuring() else seconds / self._cores()


def in_words(seconds: float) -> str:
    """`about 40 s left`, `about 3 min left`, `about 2.5 h left`."""
    if seconds < 55:
        return f"about {max(10 * math.ceil(seconds / 10), 10)} s left"
    return f"about {seconds / 60:.0f} min left" if seconds < 1.5 * HOUR else f"about {seconds / HOUR:.1f} h left"


def _seconds(path: Path) -> float | None:
    """The seconds in a benchmark file, or None if it holds none."""
    try:
        return float(path.read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
    except (OSError, ValueError, IndexError):
        return None
