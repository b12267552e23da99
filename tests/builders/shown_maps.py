"""What a map of the blocks in an open page shows."""

from __future__ import annotations

from typing import Any

import numpy as np


def shown(page: Any, name: str = "map") -> Any:
    page.evaluate(f"kvbenchMaps['{name}'].open()")  # not wait_for_function, which the report's policy refuses
    return page


def moment(page: Any, name: str = "map") -> dict[str, Any]:
    return page.evaluate(f"kvbenchMaps['{name}'].moment()")


def holds(page: Any, request: int, side: int) -> list[int]:
    return page.evaluate(f"kvbenchMaps.map.holds({request}, {side})")


def counts(page: Any, panel: int) -> dict[str, int]:
    found = page.locator("[data-part=side]").nth(panel).locator("[data-count]:not([data-count=share])")
    return found.evaluate_all("all => Object.fromEntries(all.map(e => [e.dataset.count, Number(e.dataset.value)]))")


def times(side: dict[str, Any]) -> np.ndarray:
    return np.cumsum(side["t_us"])
