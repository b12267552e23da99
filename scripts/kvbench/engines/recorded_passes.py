"""What is recorded in which passes of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RecordedPasses:
    """Numbers of passes, from 0, the warm-up. Every other pass records its schedule and nothing more."""

    blocks: Sequence[int] = ()  # these also read block ids, every `stride` steps
    upkeep: Sequence[int] = ()  # in these the upkeep of block tables is timed, by engines that can
    silent: Sequence[int] = ()  # these record nothing
    kept: Sequence[int] = ()  # after these the cache of found prefixes is not emptied, by engines that can keep it
    stride: int = 1


SCHEDULES_ONLY = RecordedPasses()
