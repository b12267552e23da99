"""The fleet figure draws a line for each policy and router, and marks the fewest replicas and what division says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.fleets import fleet_record, fleet_scenario, fleet_table
from builders.pipeline import texts

from kvbench.figures import fleet
from kvbench.figures.saving import save
from kvbench.kv.policies import POLICIES, ROUTERS


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return fleet_table(fleet_record(fleet_scenario()))


def lines_of(axes, marker: str) -> list[tuple[list[float], list[float]]]:
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in lines if line.get_mfc() != "none"]


def rings_of(axes) -> list[tuple[float, float]]:
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_mfc() == "none"]


@pytest.mark.parametrize("width", [3.5, 7])
def test_lines_are_the_table(found: pd.DataFrame, tmp_path: Path, width: float) -> None:
    figure = fleet.draw(found, {"width_in": width})
    attained, slowest = figure.axes
    for router, marker in (("round-robin", "o"), ("least-outstanding", "s")):
        own = found[found["router"] == router]
        for (x, y), (_, rows) in zip(lines_of(attained, marker), own.groupby("policy", sort=False), strict=True):
            assert x == rows["replicas"].tolist()
            np.testing.assert_allclose(y, 100 * rows["attainment_share"])
        for (x, y), (_, rows) in zip(lines_of(slowest, marker), own.groupby("policy", sort=False), strict=True):
            rows = rows[~rows["saturated"].eq(True)]
            assert x == rows["replicas"].tolist()
            np.testing.assert_allclose(y, rows["ttft_p99_s"].astype(float))
    save(figure, [tmp_path / "a.png"], 60)


def test_rings_and_crosses_are_the_answers(found: pd.DataFrame) -> None:
    figure = fleet.draw(found)
    attained, slowest = figure.axes
    answers = found[found["fewest"].eq(True)]
    shares = 100 * answers["attainment_share"]
    assert sorted(rings_of(attained)) == sorted(zip(answers["replicas"], shares, strict=True))
    assert sorted(rings_of(slowest)) == sorted(zip(answers["replicas"], answers["ttft_p99_s"], strict=True))
    crosses = [x for x, _ in lines_of(attained, "x")]
    assert crosses == [[rows.iloc[0]] for _, rows in found.groupby("policy", sort=False)["division_replicas"]]
    for told in ("fewest within the SLO", "Little's law", "reserve-max", "least-outstanding"):
        assert told in texts(figure)


def test_without_a_search_and_a_queue_there_is_neither(found: pd.DataFrame) -> None:
    figure = fleet.draw(found.assign(fewest=None, division_replicas=pd.NA))
    assert rings_of(figure.axes[0]) == []
    assert lines_of(figure.axes[0], "x") == []
    assert "Little's law" not in texts(figure)
    assert "fewest" not in texts(figure)


def test_every_policy_and_router_has_a_look() -> None:
    assert set(fleet.POLICIES) == set(POLICIES)
    assert tuple(fleet.ROUTERS) == ROUTERS
    assert len({one.colour for one in fleet.POLICIES.values()}) == len(POLICIES)
