"""The kinds of layers of a model with several KV groups or a window: what each holds at every step of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kvbench.kv.checks import check_equal
from kvbench.kv.groups import LayerGroup, units
from kvbench.kv.split import Slots
from kvbench.records import SPLIT

NAMES = ("allocated", *SPLIT)


@dataclass(frozen=True)
class Kind:
    """Layers of one kind and window. `units` are the slots of one token in them.

    `slots` has the columns of kv.parquet's `groups`, a value a step; None where they were not recorded: with a single
    kind, whose row says all, and where requests share blocks.
    """

    kind: str
    window: int | None
    layers: int
    units: int
    slots: dict[str, Slots] | None = None

    def described(self) -> dict[str, Any]:
        """Its entry in a side."""
        parts = {} if self.slots is None else {name: self.slots[name].tolist() for name in SPLIT}
        return {"kind": self.kind, "window": self.window, "layers": self.layers, "units": self.units, **parts}


def has_kinds(groups: Sequence[LayerGroup]) -> bool:
    """Whether layers differ in what they hold, or give up what has left a window."""
    return len(groups) > 1 or any(group.window is not None for group in groups)


def kind_of(groups: Sequence[LayerGroup], kind: str, window: int | None) -> int:
    """The place in `kinds_of` of a kind and window."""
    return list(_layers(groups)).index((kind, window))


def kinds_of(groups: Sequence[LayerGroup], recorded: pa.Array | None) -> list[Kind]:
    """The kinds of a model's groups, with the column `groups` of kv.parquet at each step."""
    sizes = _layers(groups)
    slots = _slots(sizes, recorded)
    return [Kind(*key, *size, own) for (key, size), own in zip(sizes.items(), slots, strict=True)]


def check_kinds(kinds: Sequence[Kind], kv: dict[str, Slots]) -> None:
    """Check that the slots of all kinds are those of the row. AccountingError where they are not."""
    if all(kind.slots is not None for kind in kinds):
        for name in NAMES:
            check_equal(f"{name} slots of all kinds of layers", kv[name], sum(kind.slots[name] for kind in kinds))


def _layers(groups: Sequence[LayerGroup]) -> dict[tuple[str, int | None], tuple[int, int]]:
    """Layers and units of each kind and window, in the order in which kv.parquet has them."""
    found: dict[tuple[str, int | None], tuple[int, int]] = {}
    for group, own in zip(groups, units(groups), strict=True):
        layers, before = found.get((group.kind, group.window), (0, 0))
        found[group.kind, group.window] = layers + group.layers, before + own
    return found


def _slots(sizes: dict[tuple[str, int | None], Any], recorded: pa.Array | None) -> list[dict[str, Slots] | None]:
    """Of each kind the slots at each step, 0 in the closing row, which has none."""
    if recorded is None or recorded.null_count == len(recorded):
        return [None] * len(sizes)
    steps, rows = len(recorded), recorded.flatten()
    known = np.flatnonzero(recorded.is_valid())
    check_equal("kinds of layers at a step", len(rows), len(known) * len(sizes))
    found: list[dict[str, Slots] | None] = []
    for place, (kind, window) in enumerate(sizes):
        own = rows.take(pa.array(np.arange(place, len(rows), len(sizes))))
        told = set(zip(own.field("kind").to_pylist(), own.field("window").to_pylist(), strict=True))
        check_equal("layers of another kind", len(told - {(kind, window)}), 0)
        slots = {name: np.zeros(steps, np.int64) for name in NAMES}
        for name, values in slots.items():
            values[known] = own.field(name).to_numpy()
        found.append(slots)
    return found
