"""A stand-in for pynvml with its error classes, units and unsupported queries."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

from builders.gpus import GIB


class NVMLError(Exception):
    """Base error class, as in pynvml; the message is NVML's own."""


def fake_pynvml(gpus: int = 1, init_error: str | None = None, **answers: Any) -> ModuleType:
    """A pynvml that reports `gpus` H100s; `answers` gives functions another return value or names an error to raise."""
    module = ModuleType("pynvml")
    module.NVMLError = NVMLError
    for name in ("NotSupported", "NoPermission", "FunctionNotFound", "LibraryNotFound"):
        setattr(module, f"NVMLError_{name}", type(f"NVMLError_{name}", (NVMLError,), {}))
    module.calls = {"init": 0, "shutdown": 0, "handle": 0}

    def init() -> None:
        if init_error:
            raise module.NVMLError_LibraryNotFound(init_error)
        module.calls["init"] += 1

    def handle(index: int) -> str:
        module.calls["handle"] += 1
        return f"handle-{index}"

    def shutdown() -> None:
        module.calls["shutdown"] += 1

    module.nvmlInit, module.nvmlShutdown, module.nvmlDeviceGetHandleByIndex = init, shutdown, handle
    defaults = {
        "nvmlSystemGetDriverVersion": "580.95.05",
        "nvmlSystemGetCudaDriverVersion": 13000,
        "nvmlDeviceGetCount": gpus,
        "nvmlDeviceGetUUID": "GPU-1234",
        "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
        "nvmlDeviceGetCudaComputeCapability": (9, 0),
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=80 * GIB, used=3 * GIB, free=77 * GIB),
        "nvmlDeviceGetPowerUsage": 71_500,
        "nvmlDeviceGetTotalEnergyConsumption": 9_876_543_210,
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=37, memory=5),
        "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=42, usedGpuMemory=2 * GIB)],
    }
    for name, value in (defaults | answers).items():
        setattr(module, name, answering(module, value))
    return module


def answering(module: ModuleType, value: Any) -> Any:
    """Return a function that returns `value`, or raises the error of `module` that it names."""

    def function(*_: Any) -> Any:
        if isinstance(value, str) and value.startswith("NVMLError"):
            raise getattr(module, value)(value)
        return value

    return function
