"""A pass too short for the energy counter has no energy."""

from types import SimpleNamespace

import pytest

from kvbench.engines.base import Completion, Generated
from kvbench.measure import serving
from kvbench.measure.passes import Pass
from kvbench.workload.read import Request

ONE = Pass(1, "repeat-1", "all", True, (Request("a", None, (1, 2), 1, 0.0),))


class Engine:
    def generate(self, requests, tick, terminal, label):
        return Generated([Completion("a", [5], 0, 0, 0)])

    def collect(self, generated, repeat):
        return generated


@pytest.mark.parametrize(("wall_s", "energy_j"), [(0.9, None), (1.1, 30.0)])
def test_energy_needs_a_pass_longer_than_the_counters_step(monkeypatch, wall_s, energy_j) -> None:
    clock, meter = iter([10**9, 10**9 + int(wall_s * 1e9)]), iter([100.0, 130.0])
    monkeypatch.setattr(serving.time, "monotonic_ns", lambda: next(clock))
    session = SimpleNamespace(energy_j=lambda: next(meter))
    record, _ = serving._one_pass(
        Engine(),
        ONE,
        SimpleNamespace(enter=None),
        session,
        SimpleNamespace(update=None),
        SimpleNamespace(terminal=None),
    )
    assert record["wall_s"] == pytest.approx(wall_s)
    assert record["energy_j"] == energy_j
