"""A pass too short for the energy counter has no energy."""

import pytest
from builders.requests import request
from builders.silent import SilentBar, SilentEngine, silent_job, silent_sampler

from kvbench.measure import serving
from kvbench.measure.passes import Pass

ONE = Pass(1, "repeat-1", "all", True, (request(2, 1),))


@pytest.mark.parametrize(("wall_s", "energy_j"), [(0.9, None), (1.1, 30.0)])
def test_energy_needs_a_pass_longer_than_the_counters_step(monkeypatch, wall_s, energy_j) -> None:
    clock, meter = iter([10**9, 10**9 + int(wall_s * 1e9)]), iter([100.0, 130.0])
    monkeypatch.setattr(serving.time, "monotonic_ns", lambda: next(clock))
    sampler = silent_sampler(lambda: next(meter))
    record, _ = serving._one_pass(SilentEngine(), ONE, sampler, sampler.session, SilentBar(), silent_job())
    assert record["wall_s"] == pytest.approx(wall_s)
    assert record["energy_j"] == energy_j
