"""GPU facts and samples from NVML, through `pynvml` (package nvidia-ml-py). No driver means no GPUs, not an error."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from kvbench.errors import UserError


@dataclass(frozen=True)
class GpuProcess:
    """A process with a context on a GPU; `used_bytes` is None if NVML cannot tell (in some containers)."""

    pid: int
    used_bytes: int | None


@dataclass(frozen=True)
class GpuInfo:
    """The constant properties of a GPU."""

    index: int
    uuid: str
    name: str
    total_bytes: int | None
    compute_capability: str | None


@dataclass(frozen=True)
class GpuSample:
    """A GPU's current state; None means "not supported here". `energy_j` counts since the driver was loaded."""

    index: int
    uuid: str
    name: str
    total_bytes: int | None
    used_bytes: int | None
    free_bytes: int | None
    processes: tuple[GpuProcess, ...] | None
    power_w: float | None
    energy_j: float | None
    utilisation_percent: int | None


class Session:
    """An open NVML with one handle per GPU; cheap enough to sample ten times per second.

    `problem` says in one line why there are no GPUs, and is None if there are some. UserError without nvidia-ml-py.
    """

    def __init__(self) -> None:
        self._nvml = _import_pynvml()
        self._found: tuple[GpuInfo, ...] = ()
        self._infos: tuple[GpuInfo, ...] = ()
        self._handles: list[Any] = []
        self.driver_version: str | None = None
        self.cuda_version: str | None = None
        self.problem: str | None = None
        self._open = False
        try:
            self._nvml.nvmlInit()
            self._open = True
            self._find_gpus()
        except self._nvml.NVMLError as error:
            self.problem = str(error)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Shut NVML down; a second call does nothing."""
        if self._open:
            self._open = False
            self._infos, self._handles = (), []
            self._nvml.nvmlShutdown()

    def infos(self) -> tuple[GpuInfo, ...]:
        """The GPUs in NVML's order, including those that CUDA_VISIBLE_DEVICES hides from CUDA."""
        return self._infos

    def infos_of_host(self) -> tuple[GpuInfo, ...]:
        """Those of `infos` before `keep`."""
        return self._found

    def keep(self, uuids: Collection[str]) -> None:
        """Restrict the session to these GPUs from now on."""
        kept = [pair for pair in zip(self._infos, self._handles, strict=True) if pair[0].uuid in uuids]
        self._infos, self._handles = tuple(info for info, _ in kept), [handle for _, handle in kept]

    def gpus(self) -> list[GpuSample]:
        """One sample of every GPU."""
        return [self._sample(info, handle) for info, handle in zip(self._infos, self._handles, strict=True)]

    def energy_j(self) -> float | None:
        """Joules of all GPUs since the driver was loaded; None without GPUs or if one of them does not report it."""
        energies = [self._energy_j(handle) for handle in self._handles]
        return sum(energies) if energies and None not in energies else None

    def _find_gpus(self) -> None:
        nvml = self._nvml
        self.driver_version = self._ask(nvml.nvmlSystemGetDriverVersion)
        if (version := self._ask(nvml.nvmlSystemGetCudaDriverVersion)) is not None:
            self.cuda_version = f"{version // 1000}.{version % 1000 // 10}"
        self._handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        self._infos = self._found = tuple(self._info(index, handle) for index, handle in enumerate(self._handles))
        if not self._handles:
            self.problem = "the driver sees no GPU"

    def _info(self, index: int, handle: Any) -> GpuInfo:
        nvml = self._nvml
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        capability = self._ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
        return GpuInfo(
            index=index,
            uuid=nvml.nvmlDeviceGetUUID(handle),
            name=nvml.nvmlDeviceGetName(handle),
            total_bytes=memory and memory.total,
            compute_capability=capability and "{}.{}".format(*capability),
        )

    def _sample(self, info: GpuInfo, handle: Any) -> GpuSample:
        nvml = self._nvml
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        power_mw = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        return GpuSample(
            index=info.index,
            uuid=info.uuid,
            name=info.name,
            total_bytes=info.total_bytes,
            used_bytes=memory and memory.used,
            free_bytes=memory and memory.free,
            processes=self._processes(handle),
            power_w=None if power_mw is None else power_mw / 1000,
            energy_j=self._energy_j(handle),
            utilisation_percent=rates and rates.gpu,
        )

    def _energy_j(self, handle: Any) -> float | None:
        energy_mj = self._ask(self._nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
        return None if energy_mj is None else energy_mj / 1000

    def _processes(self, handle: Any) -> tuple[GpuProcess, ...] | None:
        running = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        return None if running is None else tuple(GpuProcess(p.pid, p.usedGpuMemory) for p in running)

    def _ask(self, question: Callable[..., Any], *about: Any) -> Any:
        """The answer, or None if the GPU or driver does not support the question or the user lacks permission."""
        nvml = self._nvml
        try:
            return question(*about)
        except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission, nvml.NVMLError_FunctionNotFound):
            return None


def _import_pynvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise UserError(
            f"Python package nvidia-ml-py (module pynvml) cannot be imported ({error}); run `make run`, which installs "
            "it, or `pip install nvidia-ml-py`"
        ) from None
    return pynvml
