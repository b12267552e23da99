"""Statistics against distributions with known parameters."""

import numpy as np
import pytest

from kvbench.analysis import statistics as stats
from kvbench.analysis.statistics import count_disturbed, disturbed, quantile, ratio, summarise


def _repeat(cpu_s: float, wall_s: float = 10.0) -> dict:
    return {"cpu_s": cpu_s, "wall_s": wall_s}


def test_median_range_and_interval_of_known_values():
    found = summarise([5, 1, 3, 2, 4, 9], seed=0)
    assert (found.n, found.median, found.minimum, found.maximum) == (6, 3.5, 1, 9)
    assert 1 <= found.low < 3.5 < found.high <= 9


def test_five_repeats_give_points_and_range_only():
    found = summarise([1, 2, 3, 4, 5], seed=0)
    assert (found.low, found.high) == (None, None)
    assert (found.minimum, found.median, found.maximum) == (1, 3, 5)


def test_equal_values_have_an_interval_of_no_width():
    found = summarise([2.0] * 6, seed=0)
    assert (found.low, found.median, found.high) == (2, 2, 2)


def test_the_seed_fixes_the_interval():
    values = np.random.default_rng(1).normal(10, 1, 8)
    assert summarise(values, seed=3) == summarise(values, seed=3)
    assert summarise(values, seed=3) != summarise(values, seed=4)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_nothing_and_nan_are_refused(values):
    with pytest.raises(ValueError, match="values to summarise"):
        summarise(values, seed=0)


@pytest.mark.parametrize(("n", "least", "most"), [(6, 0.92, 0.955), (7, 0.87, 0.91), (12, 0.91, 0.95)])
def test_coverage_is_what_the_report_says_of_it(n, least, most, monkeypatch):
    """1500 draws: two standard errors are about 1.3%. Fewer resamples barely change the quantiles of so few values."""
    monkeypatch.setattr(stats, "RESAMPLES", 999)
    rng = np.random.default_rng(7)
    found = [summarise(rng.normal(10, 1, n), seed=i) for i in range(1500)]
    assert least <= np.mean([s.low <= 10 <= s.high for s in found]) <= most


def test_equal_arms_seldom_get_a_verdict():
    rng = np.random.default_rng(5)
    verdicts = [ratio(rng.normal(10, 1, 6), rng.normal(10, 1, 6), seed=i).verdict for i in range(120)]
    assert 0.0 < np.mean([verdict != "includes 1" for verdict in verdicts]) <= 0.1


@pytest.mark.parametrize(("n", "draw", "median"), [(6, "normal", 10.0), (12, "lognormal", 1.0)])
def test_intervals_of_a_median_cover_it(n, draw, median):
    rng = np.random.default_rng(0)
    given = {"normal": (10, 1), "lognormal": (0, 0.5)}[draw]
    found = [summarise(getattr(rng, draw)(*given, n), seed=i) for i in range(200)]
    share = np.mean([s.low <= median <= s.high for s in found])
    assert 0.88 <= share <= 0.99


def test_intervals_of_a_ratio_cover_it():
    rng = np.random.default_rng(0)
    found = [ratio(rng.normal(30, 2, 6), rng.normal(10, 1, 6), seed=i) for i in range(200)]
    assert 0.88 <= np.mean([r.low <= 3 <= r.high for r in found]) <= 1.0
    assert np.median([r.value for r in found]) == pytest.approx(3, rel=0.03)


def test_a_ratio_keeps_both_absolute_values_and_says_where_its_interval_lies():
    above = [20, 21, 22, 23, 24, 25]
    below = [10, 10.5, 11, 11.5, 12, 12.5]
    found = ratio(above, below, seed=0)
    assert (found.numerator.median, found.denominator.median) == (22.5, 11.25)
    assert found.value == 2.0
    assert found.verdict == "above 1"
    assert ratio(below, above, seed=0).verdict == "below 1"
    assert ratio(below, below, seed=0).verdict == "includes 1"


def test_a_ratio_with_a_small_arm_has_no_interval_and_no_verdict():
    found = ratio([20, 21, 22], [10, 10.5, 11, 11.5, 12, 12.5], seed=0)
    assert (found.low, found.high, found.verdict) == (None, None, None)


def test_no_p99_from_fewer_than_100_samples():
    assert quantile(range(99), 0.99) is None
    assert quantile(range(101), 0.99) == 99
    assert quantile(range(9), 0.9) is None
    assert quantile(range(11), 0.9) == 9


def test_a_repeat_that_lost_cpu_time_is_flagged_whatever_threads_the_engine_uses():
    busy = [_repeat(19.8), _repeat(19.6), _repeat(16.0)]
    half_idle = [_repeat(10.0), _repeat(9.9), _repeat(8.0)]
    assert disturbed(busy, "cpu", threads=2) == [False, False, True]
    assert disturbed(half_idle, "cpu", threads=2) == [False, False, True]


def test_nothing_is_said_of_a_gpu_or_a_lone_repeat():
    assert disturbed([_repeat(19), _repeat(9)], "cuda", threads=2) == [None, None]
    assert disturbed([_repeat(19)], "cpu", threads=2) == [None]


def test_a_repeat_that_stood_still_is_disturbed_wherever_it_ran_and_even_alone():
    stood = {**_repeat(19), "stopped_s": 60.0}
    assert disturbed([stood], "cpu", threads=2) == [True]
    assert disturbed([_repeat(19), stood], "cuda", threads=2) == [None, True]
    assert disturbed([_repeat(19), stood, _repeat(19)], "cpu", threads=2) == [False, True, False]


def test_what_is_known_to_be_disturbed_is_counted():
    assert count_disturbed([False, True, True]) == 2
    assert count_disturbed([None, True]) == 1
    assert count_disturbed([None, False]) is None


def test_intervals_are_those_of_scipy_to_the_bit():
    from scipy.stats import bootstrap

    def median(sample, axis=-1):
        return np.median(sample, axis=axis)

    def over(above, below, axis=-1):
        return np.median(above, axis=axis) / np.median(below, axis=axis)

    rng = np.random.default_rng(3)
    for sizes in ((6,), (7,), (20,), (6, 6), (9, 7)):
        samples = [rng.lognormal(0, 0.3, size) for size in sizes]
        given = {"method": "percentile", "n_resamples": 9999, "confidence_level": 0.95, "vectorized": True}
        found = bootstrap(samples, median if len(sizes) == 1 else over, **given, rng=np.random.default_rng(1))
        ours = summarise(*samples, 1) if len(sizes) == 1 else ratio(*samples, 1)
        assert (ours.low, ours.high) == tuple(found.confidence_interval)
