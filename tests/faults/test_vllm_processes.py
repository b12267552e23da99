"""vLLM with its engine in processes of its own, one of which ends or stops while the job waits for it."""

from __future__ import annotations

import signal

import psutil
import pytest
from builders.faulty import OVER_TIME, Call

OWN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}  # as on CUDA
CORE, WORKER = "VLLM::EngineCore", "VLLM::Worker"


def serving(call, name: str, *arguments: str, **given: str) -> tuple[Call, psutil.Process]:
    """A call whose engine serves requests, and vLLM's process of that name, found before that: a repeat is short."""
    one = call("vllm", *arguments, **given, **OWN_PROCESS)
    one.job()
    process = one.has(name).named(name)[0]
    return one.until("repeat-1 begins"), process


@pytest.mark.parametrize("point", ["base", pytest.param(OVER_TIME, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        (CORE, "SIGKILL"),
        pytest.param(CORE, "SIGTERM", marks=pytest.mark.long),
        pytest.param(WORKER, "SIGKILL", marks=pytest.mark.long),
        pytest.param(WORKER, "SIGTERM", marks=pytest.mark.long),
    ],
)
def test_a_process_of_vllm_that_ends(call, outcome, goes_on, name: str, number: str, point: str) -> None:
    """The line names what ended first: at SIGTERM vLLM's EngineCore ends its workers before itself.

    That the next call ends shows that the script of the rule can be imported again (spawn).
    """
    ended = (CORE, WORKER) if (name, number) == (CORE, "SIGTERM") else (name,)
    one, process = serving(call, name, point=point)
    process.send_signal(signal.Signals[number])
    assert one.end() == 1
    told = one.said("run_vllm")
    assert told.startswith(tuple(f"{one.label}: {first} (pid " for first in ended))
    log = one.log.relative_to(one.tree)
    assert f" ended in phase {one.serving()} before its work was done; see {log}; finished runs are kept" in told
    assert one.left() == []
    when = "a run" if point == "base" else "arrivals"
    outcome(f"{number} to vLLM's process {name} during {when}", told)
    goes_on(one, **OWN_PROCESS)


@pytest.mark.long
def test_a_process_of_vllm_that_ends_while_it_loads(call, outcome, goes_on) -> None:
    one = call("vllm", **OWN_PROCESS)
    one.job()
    one.has(CORE).named(CORE)[0].kill()
    assert one.end() == 1
    told = one.said("run_vllm")
    assert str(one.log.relative_to(one.tree)) in told
    assert one.left() == []
    outcome(f"SIGKILL to vLLM's process {CORE} while it loads", told)
    goes_on(one, **OWN_PROCESS)


@pytest.mark.long
@pytest.mark.parametrize("name", [CORE, WORKER])
def test_a_process_of_vllm_that_hangs(call, outcome, goes_on, name: str) -> None:
    """The limit ends it: the job alone would wait without end."""
    one, process = serving(call, name, "--config", "timeout_s={run_vllm: 150}")
    process.suspend()
    assert one.end() == 1
    told = one.said("run_vllm")
    assert f"ended in phase {one.serving()}, since it took longer than 150 s; see logs/run_vllm/" in told
    assert one.left() == []
    outcome(f"vLLM's process {name} hangs (SIGSTOP), `timeout_s: {{run_vllm: 150}}`", told)
    goes_on(one, **OWN_PROCESS)


@pytest.mark.long
@pytest.mark.parametrize("which", [0, 1], ids=["warden", "job"])
def test_kill_of_a_job_with_processes_of_vllm(call, outcome, goes_on, which: int) -> None:
    """None of them outlives it."""
    one, _ = serving(call, CORE)
    one.job()[which].kill()
    assert one.end() == 1
    told = "Error in rule run_vllm:" if which == 0 else one.said("run_vllm")
    assert "SIGKILL" in told or which == 0
    assert one.left() == []
    outcome(f"kill -9 of the {('warden', 'job')[which]} of a run with vLLM's own processes", told)
    goes_on(one, **OWN_PROCESS)
