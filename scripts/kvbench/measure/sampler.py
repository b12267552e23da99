"""Memory of the device and of our processes over time: the thread behind `device.parquet`."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any

import psutil

from kvbench.machine.nvml import Session

Row = dict[str, Any]


class Phases:
    """Names of what a run is doing, with their times."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.name = "initial"
        self.start_ns = time.monotonic_ns()

    def enter(self, name: str) -> None:
        """End the current phase and begin another."""
        now = time.monotonic_ns()
        self.done.append({"name": self.name, "start_ns": self.start_ns, "end_ns": now})
        self.name, self.start_ns = name, now

    def rename(self, since_ns: int, name: str) -> None:
        """Give all finished phases that began at `since_ns` or later another name."""
        for phase in self.done:
            if phase["start_ns"] >= since_ns:
                phase["name"] = name


class Sampler:
    """Samples every `period_s` seconds in a thread of its own until closed; one row a GPU, or one for the host."""

    def __init__(self, phases: Phases, period_s: float, session: Session) -> None:
        self.phases, self.period_s, self.session = phases, period_s, session
        self.rows: list[Row] = []
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="device-sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.sample()
        self._stop.set()
        self._thread.join()

    def sample(self) -> None:
        """Take one sample now."""
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
        """Give the samples taken at `since_ns` or later another phase."""
        for row in self.rows:
            if row["t_ns"] >= since_ns:
                row["phase"] = phase

    def _loop(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                self.sample()
            except Exception as error:  # a lost sample must not end a run; it is counted and reported
                self.errors.append(f"{type(error).__name__}: {error}")
            due = max(due + self.period_s, time.monotonic())
            self._stop.wait(due - time.monotonic())


def process_ids() -> list[int]:
    """This process and its descendants."""
    return [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]


def rss_bytes() -> int:
    """Resident bytes of this process and its descendants; pages that they share count once a process."""
    total = 0
    for pid in process_ids():
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_info().rss
    return total


def cpu_s() -> float:
    """CPU seconds of this process and its living descendants since their start."""
    total = 0.0
    for pid in process_ids():
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


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
