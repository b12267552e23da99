"""The chart of a replay has the requests of each bin of its series, in the colours of the figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders.charts import rows
from builders.scenarios import scenario

from kvbench.figures.batched_requests import LOOKS
from kvbench.files import write_parquet
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import outcomes, series_table
from kvbench.report.charts import batched_requests
from kvbench.report.charts.source import Source

POLICIES = ["reserve-max", "hf-batch", "paged"]


def of(path: Path) -> Source:
    return Source({}, [], [path], ("replays", "x"))


@pytest.fixture
def series(tmp_path: Path) -> tuple[pa.Table, Source]:
    own = scenario(policies=POLICIES, series_bins=100)
    table = series_table(list(outcomes(own, trace_of(own, 0, "replays.x"))))
    write_parquet(tmp_path / "replays/x/series.parquet", table)
    return table, of(tmp_path / "replays/x/series.parquet")


def test_bins_are_those_of_the_series(series: tuple[pa.Table, Source]) -> None:
    table, source = series
    chart, frame = batched_requests.build(source), table.to_pandas()
    for policy in POLICIES:
        own = frame[frame["policy"] == policy]
        found = rows(chart, policy=policy)
        assert [row["running"] for row in found] == pytest.approx(own["running"] / own["steps"], rel=1e-5)
        assert [row["step"] for row in found] == [0, *np.cumsum(own["steps"])[:-1]]
    assert [(key.name, key.colour) for key in chart.legend] == [(name, LOOKS[name].colour) for name in POLICIES]


def test_long_series_keep_their_peaks(tmp_path: Path) -> None:
    running = np.ones(20_000, int)
    running[12_345] = 9
    columns = {"steps": np.ones(20_000, int), "running": running, "waiting": 0 * running}
    path = tmp_path / "replays/x/series.parquet"
    write_parquet(path, pa.table({"policy": ["paged"] * 20_000, **columns}))
    found = rows(batched_requests.build(of(path)))
    assert len(found) <= batched_requests.MAX_POINTS
    assert max((row["running"], row["step"]) for row in found) == (9, 12_345)


def test_without_a_series_there_is_no_chart(tmp_path: Path) -> None:
    assert batched_requests.build(Source({}, [], [tmp_path / "y/series.parquet"], ("replays", "x"))) is None
