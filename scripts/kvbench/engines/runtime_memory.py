"""Memory that an engine's runtime takes before any model is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kvbench.device import rss_bytes

# A context with the handles that any model needs; its NVML figure less torch's own pool is the runtime's share.
PROBE = """
import os, sys, torch
a = torch.ones(256, 256, device="cuda", dtype=torch.float16)
(a @ a).sum().item()
from kvbench.nvml import Session
session = Session()
ours = [p.used_bytes for g in session.gpus() for p in g.processes or () if p.pid == os.getpid()]
print(sum(ours) - torch.cuda.memory_reserved() if ours else "")
"""


def runtime_bytes(device: str) -> int | None:
    """On a CPU this process's resident bytes; on CUDA a bare context's, measured in a process of its own."""
    if device == "cpu":
        return rss_bytes()
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    probe = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    text = probe.stdout.strip()
    return int(text) if text else None
