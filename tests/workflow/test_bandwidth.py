"""The copy bandwidth of this machine's memory: a positive number whose parts agree."""

from __future__ import annotations

from kvbench.machine.copy_bandwidth import COPIES, copy_bandwidth


def test_a_cpu_has_one_bandwidth_within_its_range():
    [found] = copy_bandwidth("cpu", 2)
    assert found["gpu"] is None
    assert found["copies"] == COPIES["cpu"]
    assert 0 < found["bytes_per_s_min"] <= found["bytes_per_s"] <= found["bytes_per_s_max"]
    assert found["buffer_bytes"] >= 1 << 24
