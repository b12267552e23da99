"""The CUDA context probe runs in its own process and gives no number when it cannot measure one."""

import pytest

from kvbench.machine import cuda_context


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("print(708837376)", 708837376),
        ("print('')", None),  # NVML cannot tell our processes apart
        ("raise RuntimeError('out of memory')", None),
        ("from kvbench.machine.nvml import Session; print(7)", 7),  # kvbench can be imported without being installed
        ("import time; time.sleep(30)", None),
    ],
)
def test_what_the_probe_prints(monkeypatch, program, found):
    monkeypatch.setattr(cuda_context, "PROBE", program)
    monkeypatch.setattr(cuda_context, "LIMIT_S", 5)
    assert cuda_context.context_bytes() == found
