"""The capacity at an SLO: where it lies between rates, and the next rate to run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.arriving_runs import SLO, write_arriving

from kvbench.analysis.results import load_runs
from kvbench.analysis.slo_capacity import (
    ABOVE,
    BELOW,
    BRACKETED,
    Capacity,
    attained,
    crossing,
    next_rate,
    of_repeats,
    over_repeats,
)
from kvbench.analysis.tables import of_serving, slo


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({1.0: 1.0, 2.0: 1.0, 4.0: 0.5}, Capacity(2.4, 2.0, 4.0)),
        ({4.0: 0.75, 1.0: 1.0, 2.0: 0.9}, Capacity(2.0, 2.0, 4.0)),
        ({1.0: 1.0, 2.0: 0.95}, Capacity(None, 2.0, None)),
        ({1.0: 0.5, 2.0: 0.1}, Capacity(None, None, 1.0)),
        ({1.0: 1.0, 2.0: 0.8, 3.0: 1.0}, Capacity(1.5, 1.0, 2.0)),  # the first failure counts
    ],
)
def test_the_capacity_lies_where_the_share_is_crossed(shares: dict, expected: Capacity) -> None:
    found = crossing(shares, 0.9)
    assert (found.keeps, found.fails) == (expected.keeps, expected.fails)
    assert found.per_s == (None if expected.per_s is None else pytest.approx(expected.per_s))


def test_where_is_said_in_words() -> None:
    assert crossing({1.0: 1.0, 2.0: 0.0}, 0.9).where == BRACKETED
    assert crossing({1.0: 1.0}, 0.9).where == ABOVE
    assert crossing({1.0: 0.0}, 0.9).where == BELOW


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({1.0: 1.0, 2.0: 0.5}, 1.5),
        ({1.0: 1.0, 1.5: 1.0, 2.0: 0.5}, 1.75),
        ({1.0: 1.0, 2.0: 1.0}, 4.0),
        ({1.0: 0.0, 2.0: 0.0}, 0.5),
        ({1.0: 1.0, 1.001: 0.0}, None),  # between them no rate of three digits is left
    ],
)
def test_the_next_rate_halves_the_bracket_or_goes_beyond_it(shares: dict, expected: float | None) -> None:
    assert next_rate({rate: {(1, 1): value} for rate, value in shares.items()}, 0.9) == expected


def test_a_search_converges_on_the_capacity() -> None:
    """A server that keeps the limits up to 2.71 requests/s."""
    found = {rate: {(1, 1): float(rate <= 2.71)} for rate in (1.0, 8.0)}
    for _ in range(9):
        rate = next_rate(found, 0.9)
        found[rate] = {(1, 1): float(rate <= 2.71)}
    known = over_repeats(found, 0.9)
    assert known.keeps <= 2.71 < known.fails
    assert known.fails - known.keeps < 0.03  # three digits


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list:
    root = tmp_path_factory.mktemp("runs")
    made = [write_arriving(root, "vllm", rate, places=16) for rate in (1, 4, 16, 64)]
    made += [write_arriving(root, "vllm-reserved", rate, places=4) for rate in (0.25, 1, 4)]
    return load_runs([*made, write_arriving(root, "hf-batch", 1)])


def test_capacities_and_their_ratio(runs: list) -> None:
    found = of_serving.tables(runs, SLO, 0)
    capacity = found["slo_capacity"].set_index("engine")
    assert set(capacity.index) == {"vllm", "vllm-reserved"}  # one rate encloses nothing
    assert (capacity["where"] == BRACKETED).all()
    [ratio] = found["slo_ratios"].to_dict("records")
    for _, row in capacity.iterrows():
        assert row["highest_keeping_per_s"] <= row["capacity_per_s"] <= row["lowest_failing_per_s"]
        assert row["repeats_per_s_ci95_low"] <= row["repeats_per_s_median"] <= row["repeats_per_s_ci95_high"]
        assert row["capacity_per_s"] == row["repeats_per_s_median"]  # what the interval is of
        assert row["capacity_per_s"] in (ratio["numerator_per_s"], ratio["denominator_per_s"])
    assert (ratio["numerator"], ratio["denominator"], ratio["n_repeats"]) == ("vllm", "vllm-reserved", 6)
    assert 1 < ratio["ratio_ci95_low"] <= ratio["ratio"] <= ratio["ratio_ci95_high"]
    assert ratio["ratio"] == pytest.approx(ratio["numerator_per_s"] / ratio["denominator_per_s"])
    assert ratio["verdict"] == "above 1"


def test_each_repeat_has_a_capacity_of_its_own(runs: list) -> None:
    found = attained([run for run in runs if run.engine == "vllm"], SLO)
    assert sorted(found) == [1.0, 4.0, 16.0, 64.0]
    each = of_repeats(found, 0.9)
    rows = slo.tables(runs, SLO, 0)["slo_repeats"]
    own = rows[rows["engine"] == "vllm"]
    assert own["slo_capacity_per_s"].tolist() == [one.per_s for one in each.values()]
    assert len(set(own["slo_capacity_per_s"])) > 1
    assert own["requests"].unique().tolist() == [40]


def test_the_mean_share_tells_if_a_repeat_has_no_capacity(monkeypatch: pytest.MonkeyPatch, runs: list) -> None:
    shares = {1.0: {(1, 1): 1.0, (1, 2): 1.0}, 2.0: {(1, 1): 0.5, (1, 2): 1.0}}
    monkeypatch.setattr(slo, "attained", lambda *_: shares)
    [row] = slo.tables([run for run in runs if run.engine == "vllm"], SLO, 0)["slo_capacity"].to_dict("records")
    assert row["capacity_per_s"] == pytest.approx(1 + 0.1 / 0.25)
    assert pd.isna(row["repeats_per_s_median"])


def test_an_engine_whose_rates_do_not_enclose_it_has_no_ratio(tmp_path: Path) -> None:
    made = [write_arriving(tmp_path, "vllm", rate, places=40) for rate in (1, 2)]
    made += [write_arriving(tmp_path, "hf-batch", rate, places=1) for rate in (1, 2)]
    found = of_serving.tables(load_runs(made), SLO, 0)
    assert found["slo_capacity"].set_index("engine")["where"].to_dict() == {"vllm": ABOVE, "hf-batch": BELOW}
    [row] = found["slo_ratios"].to_dict("records")
    assert np.isnan(row["ratio"])


def test_without_runs_the_tables_have_their_columns() -> None:
    for table in of_serving.tables([], SLO, 0).values():
        assert table.empty
        assert len(table.columns) > 8
