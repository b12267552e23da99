"""vLLM's own counters of prefix hits, which it exports as metrics."""

from __future__ import annotations

from kvbench.engines.base import PrefixCounts

LOOKED_UP, FOUND = "vllm:prefix_cache_queries", "vllm:prefix_cache_hits"


class Counted:
    """Reads the counters. They count from the engine's start, without requests that resume after a preemption."""

    def __init__(self) -> None:
        self.before = _read()

    def since_last(self) -> PrefixCounts | None:
        """Tokens since this was last called; None if the installed vLLM has no such counters."""
        now, before = _read(), self.before
        self.before = now
        if now is None or before is None:
            return None
        return PrefixCounts(*(after - earlier for after, earlier in zip(now, before, strict=True)))


def _read() -> tuple[int, int] | None:
    from vllm.v1.metrics.reader import get_metrics_snapshot

    found = {metric.name: int(metric.value) for metric in get_metrics_snapshot() if metric.name in (LOOKED_UP, FOUND)}
    return (found[LOOKED_UP], found[FOUND]) if len(found) == 2 else None
