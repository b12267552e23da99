"""Memory of the device and of our processes over time: the thread behind `device.parquet`."""

from __future__ import annotations

import threading
import time
from typing import Any

import psutil

from kvbench.lifetime.forking import undivided
from kvbench.machine.nvml import Session
from kvbench.machine.processes import process_ids, rss_bytes
from kvbench.machine.stops import Stops
from kvbench.measure.phases import Phases

Row = dict[str, Any]


class Sampler:
    """Samples every `period_s` seconds in its own thread until closed: one row per GPU, or one for the host."""

    def __init__(self, phases: Phases, period_s: float, session: Session) -> None:
        self.phases, self.period_s, self.session = phases, period_s, session
        self.rows: list[Row] = []
        self.errors: list[str] = []
        self.stops = Stops()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="device-sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        self.stops.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.sample()
        self._stop.set()
        self._thread.join()
        self.stops.__exit__()

    def sample(self) -> None:
        """Take one sample now."""
        with undivided:
            self._sample()

    def _sample(self) -> None:
        row = {"t_ns": time.monotonic_ns(), "phase": self.phases.name, "host_rss_bytes": rss_bytes(), **_torch_bytes()}
        gpus = self.session.gpus()
        ours = set(process_ids())
        self.rows.extend(row | _gpu_row(gpu, ours) for gpu in gpus)
        if not gpus:
            memory = psutil.virtual_memory()
            self.rows.append(
                row | {"device_used_bytes": memory.total - memory.available, "device_total_bytes": memory.total}
            )

    def rename(self, since_ns: int, phase: str) -> None:
        """Change the phase of the samples taken at `since_ns` or later."""
        for row in self.rows:
            if row["t_ns"] >= since_ns:
                row["phase"] = phase

    def _loop(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                self.sample()
            except Exception as error:  # a failed sample must not end the run; it is recorded
                self.errors.append(f"{type(error).__name__}: {error}")
            due = max(due + self.period_s, time.monotonic())
            self._stop.wait(due - time.monotonic())


def _gpu_row(gpu: Any, ours: set[int]) -> Row:
    processes = gpu.processes
    held = None if processes is None else sum(p.used_bytes or 0 for p in processes if p.pid in ours)
    return {
        "gpu": gpu.index,
        "device_used_bytes": gpu.used_bytes,
        "device_total_bytes": gpu.total_bytes,
        "process_bytes": held,
        "power_w": gpu.power_w,
        "gpu_busy_percent": gpu.utilisation_percent,
        "energy_j": gpu.energy_j,
    }


def _torch_bytes() -> Row:
    """This process's CUDA allocator, once torch is loaded and in use."""
    import sys

    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not getattr(cuda, "is_initialized", bool)():
        return {"torch_allocated_bytes": None, "torch_reserved_bytes": None}
    return {"torch_allocated_bytes": cuda.memory_allocated(), "torch_reserved_bytes": cuda.memory_reserved()}
