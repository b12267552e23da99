"""Bars of what requests spend their time on add up to the whole, by engine and rate and for the slowest requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.arriving_tables import PLACES, RATES
from builders.pipeline import texts

from kvbench.analysis.results import rows_of_pair
from kvbench.figures import request_time
from kvbench.figures.saving import save
from kvbench.figures.words import TIME_WORDS
from kvbench.records import TIME_PARTS

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture
def tables(arriving: Tables) -> Tables:
    return tuple(rows_of_pair(one, "smollm2-135m", "mixed") for one in arriving)


def widths(axes: Any, part: str) -> list[float]:
    [bars] = [one for one in axes.containers if one.get_label() == part]
    return [bar.get_width() for bar in bars]


def test_every_part_of_the_time_has_a_word_and_a_look() -> None:
    parts = [name.removesuffix("_ns") for name in TIME_PARTS]
    assert list(TIME_WORDS) == list(request_time.LOOKS) == parts


def test_bars_are_the_shares_and_fill_the_row(tables: Tables) -> None:
    table = tables[0]
    everyone, _ = request_time.draw(*tables).axes
    for part in request_time.LOOKS:
        assert widths(everyone, part) == pytest.approx(100 * table[f"{part}_share_of_time"])
    ends = np.sum([widths(everyone, part) for part in request_time.LOOKS], axis=0)
    np.testing.assert_allclose(ends, 100, rtol=1e-5)
    assert len(ends) == len(PLACES) * len(RATES)
    names = [label.get_text() for label in everyone.get_yticklabels()]
    assert names == ["0.5/s", "2/s", "8/s"] * len(PLACES)
    beside = [text.get_text() for text in everyone.texts]
    assert beside.count("saturated") == 4
    assert [name for name in beside if name in PLACES] == list(PLACES)


def test_the_slowest_are_of_the_highest_rate_that_is_not_saturated(tables: Tables) -> None:
    slowest = tables[1]
    _, slow = request_time.draw(*tables).axes
    headings = [text.get_text() for text in slow.texts if " at " in text.get_text()]
    assert headings == ["hf-batch at 0.5/s", "vllm-reserved at 2/s", "vllm at 2/s"]
    first = slowest[(slowest["engine"] == "hf-batch") & (slowest["point"] == "requests_per_s-0.5")].iloc[0]
    assert widths(slow, "memory_wait")[0] == pytest.approx(100 * first["memory_wait_s"] / first["e2e_s"])
    assert slow.texts[len(PLACES)].get_text().endswith(" s")


def test_an_engine_with_rates_of_its_own_is_shown_at_these(tables: Tables) -> None:
    alone = tables[0]["engine"] == "vllm"
    rates = tables[0]["requests_per_s"].where(~alone, 10 * tables[0]["requests_per_s"])
    points = tables[0]["point"].where(~alone, "requests_per_s-" + rates.astype(str))
    figure = request_time.draw(tables[0].assign(requests_per_s=rates, point=points), tables[1])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["0.5/s", "2/s", "8/s"] * (len(PLACES) - 1) + ["5/s", "20/s", "80/s"]


def test_of_many_rates_those_of_several_engines_are_shown(tables: Tables) -> None:
    [last] = [rows for _, rows in tables[0].groupby("engine") if rows["engine"].iloc[0] == "vllm"]
    more = [last.assign(requests_per_s=rate, point=f"requests_per_s-{rate}") for rate in (3.0, 4.0, 5.0, 6.0)]
    table = pd.concat([tables[0], *(rows.iloc[:1] for rows in more)])
    names = [label.get_text() for label in request_time.draw(table, tables[1]).axes[0].get_yticklabels()]
    assert names == ["0.5/s", "2/s", "8/s"] * len(PLACES)


def test_only_parts_that_occur_are_in_the_legend(tables: Tables) -> None:
    [legend] = request_time.draw(*tables).legends
    assert [text.get_text() for text in legend.get_texts()] == ["entering", "waiting for memory", "prefill", "decoding"]


def test_without_the_slowest_there_is_one_panel(tables: Tables) -> None:
    assert len(request_time.draw(tables[0], tables[1].iloc[:0]).axes) == 1


def test_times_that_were_not_recorded_are_said(tables: Tables) -> None:
    unknown = tables[0].assign(**{name: np.nan for name in tables[0] if name.endswith("_share_of_time")})
    assert "no record" in texts(request_time.draw(unknown, tables[1]))


@pytest.mark.parametrize("width_in", [3.5, 7])
@pytest.mark.parametrize("rows", [0, 1, 9])
def test_it_draws_what_little_there_is(tables: Tables, rows: int, width_in: float, tmp_path: Any) -> None:
    figure = request_time.draw(tables[0].iloc[:rows], tables[1].iloc[:rows], {"width_in": width_in})
    save(figure, [tmp_path / "a.png"], 40)
    assert figure.get_size_inches()[0] == width_in
    assert ("No run of this workload" in " ".join(texts(figure).split())) == (rows == 0)
