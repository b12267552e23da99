"""Lengths: published distributions, the same draws everywhere, and an order whose first requests are representative."""

import hashlib
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kvbench.errors import UserError
from kvbench.workload.draws import SCALE, below, permutation, stratified, stream
from kvbench.workload.lengths import Lengths, alpaca, draw_lengths, geometric, log_linear, mixed, sharegpt
from kvbench.workload.order import representative_first
from kvbench.workload.table import length_table

# Percentiles and means of the ShareGPT trace in the PagedAttention paper.
PERCENTILES = [0, 1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 99, 100]
PROMPT = [1, 2, 7, 9, 13, 15, 18, 24, 35, 55, 94, 133, 203, 506, 863, 1460, 2028]
OUTPUT = [1, 4, 22, 45, 101, 128, 157, 216, 271, 330, 405, 458, 525, 754, 899, 1280, 2009]
TRACE_MEANS = (161.31, 337.99)


def support(lengths: Lengths) -> np.ndarray:
    return lengths.first + np.arange(len(lengths.thresholds))


def mean(lengths: Lengths) -> float:
    return float(lengths.probabilities @ support(lengths))


def joint_means(limit: int) -> tuple[float, float]:
    """Exact means of ShareGPT pairs with at most `limit` tokens in all."""
    prompt, output = sharegpt().prompt, sharegpt().output
    joint = np.outer(prompt.probabilities, output.probabilities)
    joint *= support(prompt)[:, None] + support(output)[None, :] <= limit
    joint /= joint.sum()
    return float(joint.sum(1) @ support(prompt)), float(joint.sum(0) @ support(output))


@pytest.mark.parametrize(("lengths", "published"), [(sharegpt().prompt, PROMPT), (sharegpt().output, OUTPUT)])
def test_sharegpt_has_the_published_percentiles(lengths, published):
    quantiles = np.array([min(p * SCALE // 100, SCALE - 1) for p in PERCENTILES])
    assert lengths.at(quantiles).tolist() == published


def test_sharegpt_means_before_pairs_are_drawn_again():
    means = mean(sharegpt().prompt), mean(sharegpt().output)
    assert means == pytest.approx(TRACE_MEANS, rel=0.012)
    assert means == pytest.approx((163.0906, 340.9592), abs=1e-3)


def test_sharegpt_means_as_drawn():
    """Redrawing overlong pairs lowers the prompt mean by 6%; in the trace, prompt and output are not independent."""
    exact = joint_means(2048)
    assert exact == pytest.approx((152.307, 336.764), abs=1e-2)
    n = 200_000
    prompt, output = draw_lengths("sharegpt", n, 0, "sharegpt")
    assert (prompt + output).max() <= 2048
    for drawn, expected in zip((prompt, output), exact, strict=True):
        assert abs(drawn.mean() - expected) < 4 * drawn.std() / np.sqrt(n)


def test_sharegpt_sample_of_512_has_the_trace_means_within_sampling_error():
    prompt, output = draw_lengths("sharegpt", 512, 0, "sharegpt")
    for drawn, expected in zip((prompt, output), TRACE_MEANS, strict=True):
        assert abs(drawn.mean() - expected) < 3 * drawn.std() / np.sqrt(512)


def test_prompt_and_output_are_independent():
    prompt, output = draw_lengths("alpaca", 100_000, 3, "alpaca")
    assert abs(np.corrcoef(prompt, output)[0, 1]) < 0.015


def test_alpaca_means():
    assert mean(alpaca().prompt) == pytest.approx(19.31, abs=1e-6)
    assert mean(alpaca().output) == pytest.approx(58.45, abs=1e-6)
    assert alpaca().prompt.first == 1


def test_geometric_is_geometric():
    p = geometric("4").probabilities
    assert p[:3] == pytest.approx([0.25, 0.1875, 0.140625], abs=1e-12)
    assert p.sum() == 1


def test_log_linear_by_hand():
    """Halfway in probability between 2 and 8 lies 4, the geometric mean."""
    lengths = log_linear((0, 100), (2, 8))
    assert lengths.at(np.array([0, SCALE // 2, SCALE - 1])).tolist() == [2, 4, 8]


@pytest.mark.parametrize("seed", range(20))
def test_mixed_is_small_and_steady(seed):
    prompt, output = draw_lengths("mixed", 16, seed, "mixed", 512)
    assert 22 <= prompt.mean() <= 29
    assert 11 <= output.mean() <= 14
    assert prompt.min() >= 4
    assert prompt.max() <= 88
    assert output.min() >= 3
    assert output.max() <= 36
    assert prompt.max() > 55  # a long tail even in a small sample
    assert mean(mixed().prompt) == pytest.approx(25.3, abs=0.1)


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(a.astype("<i8").tobytes() for a in arrays)).hexdigest()[:16]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("sharegpt", "3c5889aba35bdeeb"), ("alpaca", "429c657fbeb21e6b"), ("mixed", "9508774c4fa95a8c")],
)
def test_lengths_are_the_same_on_every_machine(kind, expected):
    assert digest(*draw_lengths(kind, 1000, 7, "pinned", 1024)) == expected


def test_seed_and_name_matter():
    draws = [draw_lengths("sharegpt", 50, seed, name)[0] for seed, name in ((0, "a"), (1, "a"), (0, "b"), (0, "a"))]
    assert digest(draws[0]) == digest(draws[3])
    assert len({digest(draw) for draw in draws}) == 3


def test_a_million_lengths_are_drawn_quickly():
    draw_lengths("sharegpt", 1, 0, "x")
    start = time.process_time()
    draw_lengths("sharegpt", 1_000_000, 0, "x")
    assert time.process_time() - start < 5


def test_pairs_are_drawn_again_beyond_the_limit():
    prompt, output = draw_lengths("sharegpt", 5000, 0, "x", 512)
    assert (prompt + output).max() <= 512
    assert (prompt + output).mean() > 200


def test_a_hopeless_limit_is_refused():
    with pytest.raises(UserError, match=r"workloads\.mine: .*hardly ever fit into 7 tokens"):
        draw_lengths("mixed", 100, 0, "mine", 7)


def test_draws_are_uniform():
    counts = np.bincount(below(stream(0, "u"), 10, 100_000), minlength=10)
    assert abs(counts - 10_000).max() < 400
    assert sorted(permutation(stream(0, "p"), 100)) == list(range(100))
    assert sorted(stratified(stream(0, "s"), 64) * 64 // SCALE) == list(range(64))


@example([2, 2, 2, 3, *[4] * 14])  # two of the first four are in one eighth, so that five eighths have none
@given(st.lists(st.integers(2, 5000), min_size=1, max_size=200))
def test_order_is_a_permutation_that_only_moves_the_head(totals):
    order = representative_first(np.array(totals))
    assert sorted(order) == list(range(len(totals)))
    assert (np.diff(order[8:]) > 0).all()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("kind", "n"), [("mixed", 16), ("sharegpt", 128), ("alpaca", 512)])
def test_first_requests_stand_for_the_whole(kind, n, seed):
    totals = sum(draw_lengths(kind, n, seed, kind))
    ordered = totals[representative_first(totals)]
    for k in (4, 8):
        assert ordered[:k].mean() == pytest.approx(totals.mean(), rel=0.15)
    assert (np.sort(ordered[:4]) > np.quantile(totals, [0, 0.2, 0.4, 0.7])).all()


def test_quarters_are_seen_once_by_the_first_four():
    totals = np.arange(100)
    order = representative_first(totals)
    assert sorted(order[:4] // 25) == [0, 1, 2, 3]
    assert sorted(order[:8] * 8 // 100) == list(range(8))


def test_length_table():
    table = length_table(np.array([1, 2, 3, 10]), np.array([5, 5, 5, 5])).set_index("quantity")
    assert table.loc["prompt", ["n", "mean_tokens", "p0_tokens", "p50_tokens", "p100_tokens"]].tolist() == [
        4,
        4,
        1,
        2,
        10,
    ]
    assert table.loc["total", "mean_tokens"] == 9
    assert table.loc["output", "p99_tokens"] == 5
