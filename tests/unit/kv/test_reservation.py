"""What each reservation policy takes for a request."""

from __future__ import annotations

import numpy as np
import pytest

from kvbench.kv.policies import POLICIES, RESERVING
from kvbench.kv.reservation import reserved_for

PROMPTS, OUTPUTS = [10, 10, 10, 10, 10, 10, 50], [1, 2, 3, 4, 5, 8, 14]
EXPECTED = {
    "reserve-max": [64] * 7,
    "power-of-two": [10, 11, 13, 13, 17, 17, 64],  # 50 + 16 − 1 is beyond the maximum length
    "oracle": [10, 11, 12, 13, 14, 17, 63],
}


@pytest.mark.parametrize("policy", RESERVING)
def test_slots_are_those_of_the_papers_baselines(policy: str) -> None:
    assert reserved_for(policy, PROMPTS, OUTPUTS, 64).tolist() == EXPECTED[policy]
    one_by_one = [int(reserved_for(policy, p, o, 64)) for p, o in zip(PROMPTS, OUTPUTS, strict=True)]
    assert one_by_one == EXPECTED[policy]


def test_powers_of_two_are_exact_for_all_lengths_near_one() -> None:
    outputs = np.array([value for k in range(1, 31) for value in ((1 << k) - 1, 1 << k, (1 << k) + 1)])
    expected = [1 << (int(output) - 1).bit_length() for output in outputs]
    assert reserved_for("power-of-two", np.ones_like(outputs), outputs, 1 << 40).tolist() == expected


@pytest.mark.parametrize("policy", [*sorted(set(POLICIES) - set(RESERVING)), "max"])
def test_a_policy_that_reserves_nothing_is_refused(policy: str) -> None:
    with pytest.raises(ValueError, match=f"{policy} reserves nothing; use one of reserve-max, power-of-two, oracle"):
        reserved_for(policy, 1, 1, 64)
