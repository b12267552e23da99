"""vLLM with its engine in processes of its own, one of which ends or stops while the job waits for it."""

from __future__ import annotations

import psutil
import pytest
from builders.faulty import Call

OWN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}  # as on CUDA


def serving(call, *arguments: str) -> Call:
    """A call whose engine serves requests."""
    one = call("vllm", *arguments, **OWN_PROCESS)
    one.job()
    return one.until("kvbench.measure.serving: warm-up")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("VLLM::EngineCore", "SIGKILL"),
        pytest.param("VLLM::EngineCore", "SIGTERM", marks=pytest.mark.long),
        pytest.param("VLLM::Worker", "SIGKILL", marks=pytest.mark.long),
    ],
)
def test_a_process_of_vllm_that_ends(call, outcome, name: str, number: str) -> None:
    one = serving(call)
    lost: psutil.Process = one.named(name)[0]
    lost.kill() if number == "SIGKILL" else lost.terminate()
    assert one.end() == 1
    told = one.said("run_vllm")
    assert " ended in phase repeat-1 before its work was done; see logs/run_vllm/tiny/vllm/mine/base.log; " in told
    assert "VLLM::" in told
    assert one.left() == []
    outcome(f"{number} to vLLM's process {name} during a run", told)


@pytest.mark.long
def test_a_process_of_vllm_that_hangs(call, outcome) -> None:
    """The limit ends it: the job alone would wait without end."""
    one = serving(call, "--config", "timeout_s={run_vllm: 150}")
    one.named("VLLM::EngineCore")[0].suspend()
    assert one.end() == 1
    told = one.said("run_vllm")
    assert "ended in phase repeat-1, since it took longer than 150 s; see logs/run_vllm/" in told
    assert one.left() == []
    outcome("vLLM's process VLLM::EngineCore hangs (SIGSTOP), `timeout_s: {run_vllm: 150}`", told)


@pytest.mark.long
def test_ctrl_c_while_vllm_serves(call, outcome) -> None:
    one = serving(call)
    one.group(2)
    assert one.end() == 1
    assert one.screen()[-1].startswith("Interrupted by SIGINT. ")
    assert one.left() == []
    outcome("Ctrl-C while vLLM's own processes serve", one.screen()[-1])
