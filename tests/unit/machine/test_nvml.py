"""The NVML layer against a stand-in for pynvml: error classes, units and unsupported queries."""

from __future__ import annotations

import builtins
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from builders.gpus import GIB
from builders.pynvml import NVMLError, answering, fake_pynvml

from kvbench.errors import UserError
from kvbench.machine.nvml import GpuProcess, Session


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(module: ModuleType) -> ModuleType:
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return module

    return install


def test_units_of_a_sample(install):
    install(fake_pynvml())
    (gpu,) = Session().gpus()
    assert (gpu.total_bytes, gpu.used_bytes, gpu.free_bytes) == (80 * GIB, 3 * GIB, 77 * GIB)
    assert gpu.power_w == 71.5
    assert gpu.energy_j == 9_876_543.21
    assert gpu.utilisation_percent == 37
    assert gpu.processes == (GpuProcess(42, 2 * GIB),)


def test_facts_of_a_gpu_and_its_driver(install):
    install(fake_pynvml(gpus=2))
    session = Session()
    assert [info.index for info in session.infos()] == [0, 1]
    assert session.infos()[1].name == "NVIDIA H100 80GB HBM3"
    assert session.infos()[1].compute_capability == "9.0"
    assert (session.driver_version, session.cuda_version) == ("580.95.05", "13.0")
    assert session.problem is None


@pytest.mark.parametrize(("number", "text"), [(13000, "13.0"), (12040, "12.4"), (11080, "11.8")])
def test_cuda_version_is_read_from_its_number(install, number, text):
    install(fake_pynvml(nvmlSystemGetCudaDriverVersion=number))
    assert Session().cuda_version == text


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetPowerUsage", "power_w"),
        ("nvmlDeviceGetTotalEnergyConsumption", "energy_j"),
        ("nvmlDeviceGetUtilizationRates", "utilisation_percent"),
        ("nvmlDeviceGetMemoryInfo", "used_bytes"),
        ("nvmlDeviceGetComputeRunningProcesses", "processes"),
    ],
)
@pytest.mark.parametrize("error", ["NVMLError_NotSupported", "NVMLError_NoPermission"])
def test_unsupported_is_none_and_the_rest_stays(install, function, field, error):
    install(fake_pynvml(**{function: error}))
    (gpu,) = Session().gpus()
    assert getattr(gpu, field) is None
    others = {"power_w", "energy_j", "utilisation_percent", "used_bytes", "processes"} - {field}
    assert all(getattr(gpu, other) is not None for other in others)


def test_energy_of_all_gpus(install):
    install(fake_pynvml(gpus=2, nvmlDeviceGetTotalEnergyConsumption=1500))
    assert Session().energy_j() == 3.0


@pytest.mark.parametrize("module", [{"gpus": 0}, {"nvmlDeviceGetTotalEnergyConsumption": "NVMLError_NotSupported"}])
def test_unknown_energy_is_none_not_zero(install, module):
    install(fake_pynvml(**module))
    assert Session().energy_j() is None


def test_zero_is_a_value_not_a_missing_one(install):
    install(
        fake_pynvml(
            nvmlDeviceGetPowerUsage=0,
            nvmlDeviceGetUtilizationRates=SimpleNamespace(gpu=0),
            nvmlDeviceGetComputeRunningProcesses=[],
            nvmlDeviceGetMemoryInfo=SimpleNamespace(total=GIB, used=0, free=GIB),
        )
    )
    (gpu,) = Session().gpus()
    assert (gpu.power_w, gpu.utilisation_percent, gpu.used_bytes, gpu.processes) == (0.0, 0, 0, ())


def test_process_memory_that_nvml_hides_is_none(install):
    install(fake_pynvml(nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=7, usedGpuMemory=None)]))
    (gpu,) = Session().gpus()
    assert gpu.processes == (GpuProcess(7, None),)


def test_no_driver_is_no_gpu_and_says_why(install):
    install(fake_pynvml(init_error="NVML Shared Library Not Found"))
    with Session() as session:
        assert session.gpus() == []
        assert session.infos() == ()
        assert session.problem == "NVML Shared Library Not Found"


def test_a_driver_without_gpus_says_so(install):
    install(fake_pynvml(gpus=0))
    session = Session()
    assert session.gpus() == []
    assert session.problem == "the driver sees no GPU"
    assert session.driver_version == "580.95.05"


def test_opened_once_and_closed_once(install):
    module = install(fake_pynvml(gpus=2))
    with Session() as session:
        for _ in range(5):
            session.gpus()
        session.close()
    assert module.calls == {"init": 1, "shutdown": 1, "handle": 2}


def test_a_lost_gpu_is_not_hidden(install):
    install(fake_pynvml())
    session = Session()
    sys.modules["pynvml"].nvmlDeviceGetMemoryInfo = answering(sys.modules["pynvml"], "NVMLError")
    with pytest.raises(NVMLError):
        session.gpus()


def test_missing_package_is_an_error_that_names_it(monkeypatch):
    real_import = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name == "pynvml":
            raise ModuleNotFoundError("No module named 'pynvml'")
        return real_import(name, *rest)

    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match="nvidia-ml-py"):
        Session()
