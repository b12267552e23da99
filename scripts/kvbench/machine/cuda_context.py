"""Memory that a CUDA context takes before any model is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# A context with the handles that any model needs; its size is NVML's figure minus torch's own pool.
PROBE = """
import os, torch
a = torch.ones(256, 256, device="cuda", dtype=torch.float16)
(a @ a).sum().item()
from kvbench.machine.nvml import Session
session = Session()
ours = [p.used_bytes for g in session.gpus() for p in g.processes or () if p.pid == os.getpid()]
print(sum(ours) - torch.cuda.memory_reserved() if ours else "")
"""
LIMIT_S = 120


def context_bytes() -> int | None:
    """Bytes of a bare context on the first GPU, in a process of its own; None if they cannot be measured."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    try:
        probe = subprocess.run(
            [sys.executable, "-c", PROBE],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    text = probe.stdout.strip()
    return int(text) if text.isdigit() else None
