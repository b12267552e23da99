"""Load an engine and compare its settings in force with the requested ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvbench.engines.base import Engine, LoadTimes
from kvbench.engines.in_force import compare_in_force
from kvbench.kv.checks import check_equal
from kvbench.lifetime import link


@dataclass(frozen=True)
class Loaded:
    """Load times, the user's options that the engine changed, and the samples checked so far."""

    times: LoadTimes
    changed: dict[str, dict[str, Any]]
    checks: dict[str, int]


def load_engine(engine: Engine, tell: Callable[[str], None]) -> Loaded:
    """Load; UserError or AccountingError if settings or pool differ from the requested ones; `tell` changed options."""
    link.phase("load")
    times = engine.load()
    changed = compare_in_force(engine.settings, engine.in_force())
    for name, values in changed.items():
        tell(f"engines.{engine.settings.engine}.{name}: requested {values['asked']}, in force {values['in_force']}")
    return Loaded(times, changed, check_pool(engine))


def check_pool(engine: Engine) -> dict[str, int]:
    """Check the bytes of the block pool's tensors against blocks and slot bytes; nothing for contiguous caches."""
    blocks = engine.capacity()["blocks"]
    if blocks is None:
        return {}
    expected = (blocks + engine.spare_blocks) * engine.settings.block_bytes
    return {"pool_bytes": check_equal("bytes of the pool's tensors", engine.memory()["kv_pool"], expected)}
