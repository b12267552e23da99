"""Arrival patterns: their rate, spread and seed."""

import numpy as np
import pytest
from scipy import stats

from kvbench.workload.arrivals import due_s, gamma_gaps, poisson_s
from kvbench.workload.draws import stream


def test_a_poisson_process_has_the_rate_and_one_pattern_for_every_rate() -> None:
    found = poisson_s(stream(0, "test"), 20_000, 4)
    assert found[-1] == pytest.approx(5_000, rel=0.03)
    assert (np.diff(found) >= 0).all()
    assert stats.kstest(np.diff(found) * 4, "expon").pvalue > 0.01
    np.testing.assert_array_equal(poisson_s(stream(0, "test"), 100, 2), 2 * poisson_s(stream(0, "test"), 100, 4))


def test_repeats_and_seeds_have_patterns_of_their_own() -> None:
    first = due_s(5, 4, 0, 1)
    np.testing.assert_array_equal(first, due_s(5, 4, 0, 1))
    np.testing.assert_allclose(due_s(5, 1, 0, 1), 4 * first)
    assert due_s(5, 4, 0, 2)[0] != first[0] != due_s(5, 4, 1, 1)[0]


@pytest.mark.parametrize("burstiness", [0.5, 1.0, 4.0])
def test_burstiness_changes_the_spread_of_gaps_and_not_their_mean(burstiness: float) -> None:
    """Coefficient of variation of a gamma distribution: 1 / √shape."""
    gaps = np.diff(due_s(20_000, 1, 0, 1, burstiness))
    assert gaps.mean() == pytest.approx(1, rel=0.03)
    assert gaps.std() == pytest.approx(burstiness**-0.5, rel=0.05)


def test_gamma_of_shape_one_is_exponential() -> None:
    assert stats.kstest(gamma_gaps(stream(0, "test"), 5_000, 1.0), "expon").pvalue > 0.01
