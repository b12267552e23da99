"""The figure over rates draws each engine's points, saturated ones apart, with limits, replay and capacity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.arriving_runs import SLO
from builders.arriving_tables import PLACES, RATES, capacity, predicted, predicted_capacity
from builders.pipeline import texts

from kvbench.analysis.results import rows_of_pair
from kvbench.figures import latency_rate
from kvbench.figures.data import rates
from kvbench.figures.saving import save
from kvbench.figures.style import LOOKS, look

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture
def table(arriving: Tables) -> pd.DataFrame:
    return rows_of_pair(arriving[0], "smollm2-135m", "mixed")


def of_colour(axes: Any, colour: str, style: str) -> list[Any]:
    return [line for line in axes.lines if line.get_color() == colour and line.get_linestyle() == style]


def test_a_curve_has_the_medians_of_points_that_are_not_saturated(table: pd.DataFrame) -> None:
    normalized, ttft, tpot, attainment, completed = latency_rate.draw(table).axes[:5]
    saturated = table.query("engine == 'vllm' and requests_per_s == 8").iloc[0]
    assert rates.is_true(table["saturated"]).sum() == 4
    for axes, name, factor in (
        (normalized, "normalized_s_per_token", 1),
        (ttft, "ttft_s", 1),
        (tpot, "tpot_s", 1e3),
    ):
        [line] = of_colour(axes, look("vllm").colour, "-")
        known = table.query("engine == 'vllm' and requests_per_s < 8")
        assert line.get_ydata() == pytest.approx(factor * known[f"{name}_median"])
        np.testing.assert_allclose(line.get_xdata(), known["requests_per_s"], rtol=0.15)
    [line] = of_colour(completed, look("vllm").colour, "-")
    assert line.get_ydata()[-1] == saturated["completed_per_s_median"]
    [line] = of_colour(attainment, look("vllm").colour, "-")
    assert line.get_ydata()[-1] == pytest.approx(100 * saturated["attainment_share_median"])


def test_saturated_points_have_a_row_for_each_engine_above_the_values(table: pd.DataFrame) -> None:
    figure = latency_rate.draw(table)
    for axes in figure.axes[:3]:
        strip = [line for line in axes.lines if line.get_gid() == "saturated"]
        assert [line.get_xdata().tolist() for line in strip] == [[2, 8], [8], [8]]
        heights = [line.get_ydata()[0] for line in strip]
        assert heights == sorted(heights, reverse=True)
        assert all(line.get_markerfacecolor() == "white" for line in strip)
        [patch] = axes.patches
        assert patch.get_y() < min(heights)
        top = axes.transAxes.transform((0, patch.get_y()))[1]
        drawn = [y for line in axes.lines if line.get_transform() == axes.transData for y in line.get_ydata()]
        assert all(axes.transData.transform((1, y))[1] <= top for y in drawn if np.isfinite(y))
        assert (axes.get_yticks() <= axes.transData.inverted().transform((0, top))[1]).all()
    marks = [line for line in figure.axes[4].lines if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xdata()) for line in marks) == 4
    assert "saturated, more arrives than is served" in " ".join(figure._supxlabel.get_text().split())


def test_points_that_are_too_short_to_tell_keep_their_latencies_and_are_named(table: pd.DataFrame) -> None:
    short = (table["engine"] == "vllm") & (table["requests_per_s"] <= 2)
    table["saturated"] = table["saturated"].astype(object).mask(short, None)
    figure = latency_rate.draw(table)
    said = " ".join(figure._supxlabel.get_text().split())
    rates = " and ".join(f"{rate:g}" for rate in table.loc[short, "requests_per_s"])
    assert f"too short to tell whether saturated: vllm at {rates} requests/s" in said
    [line] = of_colour(figure.axes[1], look("vllm").colour, "-")
    assert line.get_ydata() == pytest.approx(table.loc[short, "ttft_s_median"])


def test_without_saturated_points_there_is_no_strip(table: pd.DataFrame) -> None:
    figure = latency_rate.draw(table.query("requests_per_s < 1"))
    assert not any(axes.patches for axes in figure.axes)
    assert "saturated" not in texts(figure)


def test_tails_reach_p90_and_p99(table: pd.DataFrame) -> None:
    ttft = latency_rate.draw(table).axes[1]
    known = table.query("engine == 'hf-batch' and requests_per_s < 1").iloc[0]
    ends = {segment[1, 1] for lines in ttft.collections for segment in lines.get_segments() if len(segment) == 2}
    assert {known["ttft_s_p90"], known["ttft_s_p99"]} <= ends


def test_limits_are_lines(table: pd.DataFrame) -> None:
    _, ttft, tpot, attainment, _ = latency_rate.draw(table).axes[:5]
    for axes, limit in ((ttft, SLO["ttft_s"]), (tpot, 1e3 * SLO["tpot_s"]), (attainment, 100 * SLO["share"])):
        assert [limit, limit] in [list(line.get_ydata()) for line in axes.lines]
        assert axes.get_ylim()[0] < limit < axes.get_ylim()[1]


def test_a_latency_over_decades_has_a_logarithmic_axis(table: pd.DataFrame) -> None:
    normalized, ttft, tpot, *_ = latency_rate.draw(table).axes
    assert (normalized.get_yscale(), ttft.get_yscale(), tpot.get_yscale()) == ("linear", "log", "linear")


def test_the_replay_is_dashed_on_its_grid_up_to_where_it_is_saturated(table: pd.DataFrame) -> None:
    rows = predicted(["vllm"])
    figure = latency_rate.draw(table, rows)
    grid = rows.query("not is_point and not saturated_predicted")
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--" and len(line.get_xdata()) > 2]
    [line] = dashed
    assert line.get_xdata().tolist() == grid["requests_per_s"].tolist()
    assert line.get_ydata() == pytest.approx(0.05 * grid["requests_per_s"])
    assert "predicted by replay" in texts(figure)
    assert "predicted" not in texts(latency_rate.draw(table))
    [line] = [
        one for one in latency_rate.draw(table, rows.query("is_point")).axes[4].lines if one.get_linestyle() == "--"
    ]
    assert line.get_xdata().tolist() == [0.5, 2]


def test_the_miss_of_the_replay_is_told(table: pd.DataFrame) -> None:
    rows = predicted(["vllm"])
    assert "first token differs from the live one by −35 to −20%" in caption(latency_rate.draw(table, rows))
    one = rows[~rows["is_point"] | (rows["requests_per_s"] == 2)]
    assert "differs from the live one by −20%" in caption(latency_rate.draw(table, one))
    assert "differs" not in caption(latency_rate.draw(table, rows[~rows["is_point"]]))


def caption(figure: Any) -> str:
    return " ".join(figure._supxlabel.get_text().split())


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_an_axis_holds_what_the_replay_predicts_below_the_points(table: pd.DataFrame, share: float) -> None:
    least = table.loc[table["engine"] == "vllm", "ttft_s_median"].astype(float).min()
    rows = predicted(["vllm"]).assign(ttft_median_s_predicted=share * least)
    low, _ = latency_rate.draw(table, rows).axes[1].get_ylim()
    assert low < share * least


def test_a_capacity_between_two_rates_is_marked_on_the_limit(table: pd.DataFrame) -> None:
    figure = latency_rate.draw(table, capacity=capacity())
    share = 100 * SLO["share"]
    marked = [line for line in figure.axes[3].lines if line.get_marker() == "|"]
    assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in marked} == {(3.0, share)}
    assert [2.5, 3.5] in [list(line.get_xdata()) for line in figure.axes[3].lines]
    assert "capacity at the SLO" in " ".join(figure._supxlabel.get_text().split())


def test_a_predicted_capacity_is_a_star_on_the_limit(table: pd.DataFrame) -> None:
    rows = predicted_capacity()
    figure = latency_rate.draw(table, sustained=rows)
    [line] = [line for line in figure.axes[3].lines if line.get_marker() == "*"]
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (3.2, 100 * SLO["share"])
    assert line.get_markeredgecolor() == look("vllm-reserved").colour
    assert "capacity, by replay" in texts(figure)
    said = " ".join(figure._supxlabel.get_text().split())
    assert "replays predict where 480 requests arrive" in said
    none = latency_rate.draw(table, sustained=rows.assign(patterns_per_s_median=np.nan))
    assert not [line for line in none.axes[3].lines if line.get_marker() == "*"]
    assert "capacity, by replay" not in texts(none)


@pytest.mark.parametrize("rate", [min(RATES) / 2, 2 * max(RATES)])
def test_the_axis_has_room_for_a_predicted_capacity_beyond_the_rates(table: pd.DataFrame, rate: float) -> None:
    figure = latency_rate.draw(table, sustained=predicted_capacity().assign(patterns_per_s_median=rate))
    assert len({axes.get_xlim() for axes in figure.axes[:5]}) == 1
    low, high = figure.axes[3].get_xlim()
    assert low < rate < high


def test_no_engine_has_the_marker_of_a_predicted_capacity() -> None:
    assert latency_rate.STAR["marker"] not in {one.marker for one in LOOKS.values()}


def test_late_points_are_crossed(table: pd.DataFrame) -> None:
    late = table.assign(late=(table["engine"] == "vllm") & (table["requests_per_s"] == 2))
    crosses = [line for line in latency_rate.draw(late).axes[4].lines if line.get_marker() == "x"]
    assert [x for line in crosses for x in line.get_xdata()] == [2]
    assert "more than 5 ms late" in " ".join(texts(latency_rate.draw(late)).split())


def test_arrivals_from_a_file_are_a_point_of_their_own(table: pd.DataFrame) -> None:
    of_file = table.query("requests_per_s == 0.5").assign(requests_per_s=None, point="requests_per_s-file")
    together = pd.concat([of_file.assign(offered_per_s=1.0), table.query("requests_per_s != 0.5")])
    completed = latency_rate.draw(together).axes[4]
    [line] = of_colour(completed, look("vllm").colour, "-")
    assert line.get_xdata().tolist() == [2, 8]
    markers = [line for line in completed.lines if line.get_marker() in {look(name).marker for name in PLACES}]
    assert [x for line in markers for x in line.get_xdata()].count(1) == len(PLACES)
    assert completed.xaxis.get_ticklocs().tolist() == [1, 2, 8]


def test_few_repeats_have_ranges(table: pd.DataFrame) -> None:
    bounds = [name for name in table if "_ci95_" in name]
    few = table.assign(**dict.fromkeys(bounds), n_repeats=2)
    completed = latency_rate.draw(few).axes[4]
    ends = [segment[:, 1] for segment in completed.containers[-1].lines[2][0].get_segments()]
    own = table.query("engine == 'vllm'")
    np.testing.assert_allclose(ends, own[["completed_per_s_min", "completed_per_s_max"]])
    assert "whisker: range" in texts(latency_rate.draw(few))


@pytest.mark.parametrize("width_in", [3.5, 7])
@pytest.mark.parametrize("how", ["whole", "empty", "one row", "no values"])
def test_it_draws_what_little_there_is(table: pd.DataFrame, how: str, width_in: float, tmp_path: Any) -> None:
    numbers = [
        name for name in table if name.split("_")[0] in ("ttft", "tpot", "normalized", "completed", "attainment")
    ]
    some = {
        "whole": table,
        "empty": table.iloc[:0],
        "one row": table.iloc[:1],
        "no values": table.assign(**dict.fromkeys(numbers, np.nan)),
    }[how]
    figure = latency_rate.draw(some, predicted(["vllm"]).iloc[:0], capacity().iloc[:0], None, {"width_in": width_in})
    save(figure, [tmp_path / "a.png"], 40)
    assert figure.get_size_inches()[0] == width_in
    assert "nan" not in texts(figure).lower().split()
    assert ("No run of this workload" in " ".join(texts(figure).split())) == (how == "empty")


def test_rates_of_one_engine_alone_give_way_to_common_ones(table: pd.DataFrame) -> None:
    searched = table.query("engine == 'vllm' and requests_per_s == 2").assign(requests_per_s=5.13)
    found = rates.at_rates(pd.concat([table, searched]))
    assert rates.common_rates(found) == list(RATES)
    assert rates.common_rates(found[found["engine"] == "vllm"]) == [0.5, 2, 5.13, 8]
    assert sorted(set(rates.at_common_rates(found, 2)["rate"])) == [0.5, 8]
    assert sorted(set(rates.at_common_rates(found, 3)["rate"])) == list(RATES)
    assert sorted(set(rates.at_common_rates(found, 4)["rate"])) == [0.5, 2, 5.13, 8]


def test_engines_without_common_rates_keep_their_own(table: pd.DataFrame) -> None:
    times = {name: 1 + number / 8 for number, name in enumerate(PLACES)}
    found = rates.at_rates(table.assign(requests_per_s=table["requests_per_s"] * table["engine"].map(times)))
    shown = rates.at_common_rates(found, 3).groupby("engine")["rate"].unique()
    assert {name: sorted(own / times[name]) for name, own in shown.items()} == {name: list(RATES) for name in PLACES}


def test_the_line_of_equal_rates_is_where_they_are_equal(table: pd.DataFrame) -> None:
    """The axis of what is completed may be linear beside a logarithmic one of what arrives."""
    completed = latency_rate.draw(table).axes[4]
    [line] = of_colour(completed, "0.7", "-")
    assert len(line.get_xdata()) > 10
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
