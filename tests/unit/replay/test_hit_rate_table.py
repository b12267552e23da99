"""hit_rates.csv has the pools of round numbers up to the one in which all is found, and an infinite one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.refusals import refused
from builders.scenarios import of_ids

from kvbench.files import write_csv
from kvbench.replay.hit_rate import HitCurve
from kvbench.replay.hit_rate_table import PREFERRED, hit_rates, pools, together
from kvbench.replay.requests import trace_of


def curve(least: int, *at: int, size: int = 16) -> HitCurve:
    sizes = np.array(at, np.int64)
    return HitCurve(size, 3, 10_000, least, 0, sizes, np.arange(1, len(sizes) + 1) * size)


def test_pools_are_round_numbers_from_the_longest_request_to_the_one_in_which_all_is_found() -> None:
    assert pools(curve(7, 8, 20), 1) == [112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355]
    assert pools(curve(7, 8, 20), 300)[-4:] == [280, 300, 315, 355]
    assert pools(curve(7), 111) == [112]
    assert pools(curve(7), 5000) == [112, *pools(curve(7, 312), 1)[1:-1], 5000]
    assert pools(curve(1, 3, size=1), 1) == [1, 2, 3]
    assert set(pools(curve(60_000, 1_000_000), 1)) >= {10**6, 2 * 10**6, 5 * 10**6, 10**7}


def test_round_numbers_have_nearly_equal_ratios() -> None:
    ratios = np.array([*PREFERRED[1:], 1000]) / PREFERRED
    assert len(PREFERRED) == 20
    np.testing.assert_allclose(ratios, 10 ** (1 / 20), rtol=0.02)


def shared(folder: Path, **given) -> dict:
    """Three prompts of 13 tokens; the last has the first's first 8. Each stores 16 tokens, four full blocks of 4."""
    prompts = [[*range(8), 100, 101, 102, 103, 104], [*range(50, 63)], [*range(8), *range(200, 205)]]
    return of_ids(folder, prompts, pool_slots=36, max_length=20, hit_rate={}, **given)


def test_a_scenario_has_a_row_for_each_pool(tmp_path: Path) -> None:
    """Since the first request, the second has used four blocks: its two blocks need a pool of 5 and of 6."""
    own = shared(tmp_path)
    found = hit_rates("x", own, trace_of(own, 0, "replays.x"))
    expected = pd.DataFrame(
        [(16, 4, 0), (18, 4, 0), (20, 5, 4), (22, 5, 4), (25, 6, 8), (28, 7, 8), (31, 7, 8), (35, 8, 8), (36, 9, 8)],
        columns=["pool_tokens", "pool_blocks", "hit_tokens"],
    )
    finite, infinite = found[:-1], found.iloc[-1]
    pd.testing.assert_frame_equal(finite[list(expected)], expected, check_dtype=False)
    np.testing.assert_allclose(finite["hit_share"], expected["hit_tokens"] / 39)
    assert infinite[["pool_tokens", "pool_blocks"]].isna().all()
    assert (infinite["hit_tokens"], infinite["hit_share"]) == (8, 8 / 39)
    same = found[["scenario", "requests", "prompt_tokens", "block_size", "repeated_blocks"]].drop_duplicates()
    assert same.to_numpy().tolist() == [["x", 3, 39, 4, 0]]


def test_each_block_size_has_its_own_rows_and_larger_blocks_find_less(tmp_path: Path) -> None:
    own = shared(tmp_path) | {"hit_rate": {"block_sizes": [8, 3, 16]}}
    found = hit_rates("x", own, trace_of(own, 0, "replays.x"))
    infinite = found[found["pool_tokens"].isna()]
    assert infinite[["block_size", "hit_tokens"]].to_numpy().tolist() == [[8, 8], [3, 6], [16, 0]]


def test_the_tables_of_all_scenarios_are_one(tmp_path: Path) -> None:
    own = shared(tmp_path)
    trace = trace_of(own, 0, "replays.x")
    for name in ("a", "b"):
        write_csv(tmp_path / f"{name}.csv", hit_rates(name, own, trace))
    found = together([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert found["scenario"].drop_duplicates().tolist() == ["a", "b"]
    assert found["pool_blocks"].dtype == "Int64"
    assert len(found) == 2 * len(hit_rates("a", own, trace))
    with refused("no such file"):
        together([tmp_path / "c.csv"])


@pytest.mark.parametrize("sizes", [[], [0], [4, 4], 4])
def test_block_sizes_that_make_no_sense_are_refused(tmp_path: Path, sizes: object) -> None:
    with refused(r"replays\.x\.hit_rate\.block_sizes"):
        of_ids(tmp_path, [[1, 2]], hit_rate={"block_sizes": sizes})
