"""Load an engine and hold what it made of its settings against what was asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvbench.engines.base import Engine, LoadTimes
from kvbench.engines.in_force import compare_in_force
from kvbench.kv.checks import check_equal


@dataclass(frozen=True)
class Loaded:
    """How long loading took, what the engine made of the user's options, and samples checked so far."""

    times: LoadTimes
    changed: dict[str, dict[str, Any]]
    checks: dict[str, int]


def load_engine(engine: Engine, tell: Callable[[str], None]) -> Loaded:
    """Load; UserError or AccountingError where the engine does other than it was told to, `tell` of lesser changes."""
    times = engine.load()
    changed = compare_in_force(engine.settings, engine.in_force())
    for name, values in changed.items():
        tell(f"engines.{engine.settings.engine}.{name}: {values['asked']} asked for, {values['in_force']} in force")
    return Loaded(times, changed, check_pool(engine))


def check_pool(engine: Engine) -> dict[str, int]:
    """Bytes of the tensors that hold the blocks against what the budget was divided by; nothing for rows."""
    blocks = engine.capacity()["blocks"]
    if blocks is None:
        return {}
    expected = (blocks + engine.spare_blocks) * engine.settings.block_size * engine.settings.slot_bytes
    return {"pool_bytes": check_equal("bytes of the pool's tensors", engine.memory()["kv_pool"], expected)}
