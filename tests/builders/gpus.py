"""Fake GPUs as NVML reports them; no hardware needed."""

from __future__ import annotations

from types import SimpleNamespace

from kvbench.machine.nvml import GpuProcess, GpuSample

GIB = 2**30


def card(index: int, *processes: GpuProcess) -> GpuSample:
    memory = {"total_bytes": 80 * GIB, "used_bytes": GIB, "free_bytes": 79 * GIB}
    meters = {"power_w": None, "energy_j": None, "utilisation_percent": None}
    return GpuSample(index, f"GPU-{index}a{index}b", "NVIDIA H100", processes=processes, **memory, **meters)


def session(*samples: list[GpuSample]) -> SimpleNamespace:
    """A fake NVML session: each query returns the next list of cards, and the last list repeats."""
    left = list(samples)
    return SimpleNamespace(gpus=lambda: left.pop(0) if len(left) > 1 else left[0])
