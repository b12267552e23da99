"""Ctrl-C and SIGTERM in each phase of a run, the second in the call that goes on after the first."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.faulty import OVER_TIME, Call
from builders.stopping_at import stopping_at

GO_ON = "Finished runs are kept; run the same command again to go on."
OWN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "1"}  # as on CUDA
PLACES = {
    "load": "while it loads",
    "warm-up": "in the warm-up",
    "repeat-1": "in a timed repeat",
    "blocks": "in the pass that reads block ids",
    "kv.parquet": "while it writes its files",
}
ENGINES = ("hf-batch", "hf-continuous", "vllm")
IN_PHASES = [
    (engine, place) for engine in ENGINES for place in PLACES if (engine, place) != ("hf-batch", "blocks")
]  # its cache has none

pytestmark = pytest.mark.long


def interrupted(one: Call, number: signal.Signals) -> str:
    """End a call by a signal as from a terminal, and check what it says and leaves; return its last line."""
    if number == signal.SIGINT:
        one.group(number)
    else:
        one.family()
        one.process.send_signal(number)
    assert one.end() == 1
    assert one.said(one.rule).startswith(f"{one.label}: interrupted in phase ")
    assert one.screen()[-1] == f"Interrupted by {number.name}. {GO_ON}"
    assert one.left() == []
    return one.screen()[-1]


def interrupt_twice(start: Callable[..., Call], ready: Callable[[Call], Call]) -> tuple[Call, str]:
    """Ctrl-C to a call that is `ready`, then SIGTERM to the call that goes on; the last call and the first's line."""
    first = ready(start())
    told = interrupted(first, signal.SIGINT)
    second = ready(start(resumes=first))
    interrupted(second, signal.SIGTERM)
    return second, told


@pytest.mark.parametrize(("engine", "place"), IN_PHASES)
def test_a_signal_in_a_phase(call, outcome, goes_on, tree: Path, tmp_path: Path, engine: str, place: str) -> None:
    hook = stopping_at(place, tree, tmp_path)
    last, told = interrupt_twice(lambda **given: call(engine, **given, **hook), Call.stopped)
    outcome(f"Ctrl-C and SIGTERM to {engine} {PLACES[place]}", told)
    goes_on(last)


@pytest.mark.parametrize(("engine", "own"), [("hf-batch", {}), ("vllm", {}), ("vllm", OWN_PROCESS)])
def test_a_signal_while_arrivals_are_served(call, outcome, goes_on, engine: str, own: dict[str, str]) -> None:
    last, told = interrupt_twice(
        lambda **given: call(engine, point=OVER_TIME, **given, **own), lambda one: one.until("repeat-1 begins")
    )
    where = " in a process of its own" if own else ""
    outcome(f"Ctrl-C and SIGTERM to {engine}{where} while it serves arrivals", told)
    goes_on(last, **own)


@pytest.mark.parametrize("moment", ["starts", "serves"])
def test_a_signal_while_vllm_has_processes_of_its_own(call, outcome, goes_on, moment: str) -> None:
    def ready(one: Call) -> Call:
        one.job()
        return one.until("repeat-1 begins") if moment == "serves" else one.has("VLLM::")

    last, told = interrupt_twice(lambda **given: call("vllm", **given, **OWN_PROCESS), ready)
    outcome(f"Ctrl-C and SIGTERM to vllm in a process of its own while it {moment}", told)
    goes_on(last, **OWN_PROCESS)
