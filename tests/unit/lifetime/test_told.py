"""What a warden knows of its job."""

from __future__ import annotations

import math

from kvbench.lifetime import link
from kvbench.lifetime.told import Told


def told(given_s: float = 0, limit_s: float = 100) -> Told:
    return Told(began=1000, given_s=given_s, limit_s=limit_s)


def test_the_limit_is_the_users_or_the_works_or_the_rules() -> None:
    one = told()
    assert one.left_s(1010) == 90
    one.take("limit 50", 1010)
    assert one.left_s(1010) == 40
    own = told(given_s=30)
    own.take("limit 50", 1010)
    assert own.left_s(1010) == 20


def test_waiting_for_others_does_not_count() -> None:
    one = told()
    one.take("wait", 1010)
    assert one.left_s(5000) == math.inf
    one.take("go", 5000)
    assert one.left_s(5000) == 90
    one.take("go", 6000)  # nothing was waited for
    assert one.left_s(5000) == 90


def test_it_takes_all_lines_that_a_job_sends() -> None:
    one = told()
    link.connect(lambda line: one.take(line, 1000))
    try:
        link.phase("repeat-1/batch 2")
        link.limit(7.6)
        link.watch({12: "VLLM::EngineCore", 13: "a name"})
        assert (one.phase, one.limit_s, one.watched) == ("repeat-1/batch 2", 8, {12: "VLLM::EngineCore", 13: "a name"})
        assert link.watched() == one.watched
        link.unwatch()
        assert one.watched == link.watched() == {}
        with link.starting():
            assert one.starting
        assert not one.starting
        with link.waiting():
            assert one.left_s(1000) == math.inf
        assert one.left_s(1000) == 8
    finally:
        link.connect(None)
