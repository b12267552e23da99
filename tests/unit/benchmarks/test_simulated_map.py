"""The simulated document of map_drawing.py: what it records is what its tables and tokens say."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from builders.read_maps import PARTS, counts_of, tables_of

COUNTS = ("running", "waiting", *PARTS)


def emptied(side: dict[str, Any]) -> dict[str, Any]:
    """The side with one step more that gives everything back: a simulation stops while requests run."""
    *_, last = tables_of(side)
    return side | {"changes": [*side["changes"], [value for request in last for value in (request, -1, -1)]]}


def test_every_step_adds_up_and_no_block_has_two_holders(program: Callable[[str], ModuleType]) -> None:
    document = program("simulated_map").document(300, 200)
    assert [side["engine"] for side in document["sides"]] == ["vllm", "vllm-contiguous"]
    for side in document["sides"]:
        assert len(side["t_us"]) == 200
        counted = counts_of(emptied(side))
        for step, tables in enumerate(tables_of(side)):
            assert {name: side[name][step] for name in COUNTS} == {name: counted[step][name] for name in COUNTS}
            held = [cell for table in tables.values() for cell in table]
            assert len(held) == len(set(held)) <= side["cells"]
    paged, reserved = document["sides"]
    assert paged["pool_slots"] - reserved["pool_slots"] < 1024
    assert max(reserved["running"]) == reserved["cells"] < max(paged["running"])


def test_the_pool_stays_nearly_full_and_a_block_is_held_for_about_eighty_steps(
    program: Callable[[str], ModuleType],
) -> None:
    side = program("simulated_map").document(1000, 400)["sides"][0]
    used = [sum(map(len, tables.values())) for tables in tables_of(side)]
    assert min(used[10:200]) > 0.8 * side["cells"]
    changes = sum(len(flat) // 3 for flat in side["changes"])
    assert 60 < 1000 * 400 / changes < 120


def test_the_same_seed_gives_the_same_document(program: Callable[[str], ModuleType]) -> None:
    document = program("simulated_map").document
    assert document(100, 50) == document(100, 50)
    assert document(100, 50) != document(100, 50, seed=1)
    with pytest.raises(ValueError, match="fewer than the 1024"):
        document(10, 50)
