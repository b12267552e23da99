"""Facts about the CPU, for environment.json and for the record of a run."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from kvbench.machine.limits import usable_cpus

# vLLM and oneDNN choose their CPU kernels by these.
INSTRUCTION_SETS = (
    *("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"),
    *("avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"),
)


def cpu_facts(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, Any]:
    """Model, instruction sets that decide the kernels, CPUs of the machine and CPUs usable by this process.

    Without `cpuinfo`, as on macOS, the model is the machine's name of its processor, and no instruction set is known.
    """
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    fields = dict((part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    flags = set(fields.get("flags", "").split())
    return {
        "model": fields.get("model name", platform.machine()),
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "cpus": os.cpu_count(),
        "cpus_usable": usable_cpus(),
    }
