"""Signals to a call of Snakemake while a run goes on: one line, nothing left, and the next call goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from builders.faulty import run_file

from kvbench.files import read_parquet

INTERRUPTED = "run_traditional tiny hf-batch mine base: interrupted in phase "
GO_ON = "Finished runs are kept; run the same command again to go on."


def test_ctrl_c(call, outcome) -> None:
    one = call("hf-batch")
    one.job()
    one.until("kvbench.measure.serving: warm-up")
    one.group(signal.SIGINT)
    assert one.end() == 1
    assert one.said("run_traditional").startswith(INTERRUPTED)
    assert one.screen()[-1] == f"Interrupted by SIGINT. {GO_ON}"
    assert not [line for line in one.screen() if "Error" in line]
    assert one.left() == []
    outcome("Ctrl-C during a run", one.screen()[-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.long)])
def test_a_signal_to_snakemake_alone(call, outcome, number: signal.Signals) -> None:
    """By itself Snakemake waits for the run to finish."""
    one = call("hf-batch")
    job = one.job()[1]
    job.suspend()  # so that it cannot finish
    one.process.send_signal(number)
    assert one.end() == 1
    assert one.said("run_traditional").startswith(INTERRUPTED)
    assert one.screen()[-1] == f"Interrupted by {number.name}. {GO_ON}"
    assert one.left() == []
    outcome(f"{number.name} to Snakemake during a run", one.screen()[-1])


def test_kill_of_snakemake(call, outcome) -> None:
    """The job ends; the folder stays locked, which the next call explains."""
    one = call("hf-batch")
    one.job()[1].suspend()
    one.process.kill()
    one.end()
    told = one.said("run_traditional")
    assert told.endswith("ended, because its Snakemake has ended; run make unlock, then the same command to go on")
    assert [name for name in one.left() if not name.startswith("snakemake")] == []
    after = call("hf-batch")
    assert after.end() == 1
    locked = after.said(r"/.* is locked").partition(" is ")[2]
    assert locked == "locked by a call that has ended, and nothing of it runs on this machine: run make unlock"
    outcome("kill -9 of Snakemake during a run", told, "a lock, until `make unlock`; a folder, until the next call")
    outcome("a call after kill -9 of Snakemake", f"… is {locked}")


@pytest.mark.long
def test_a_call_beside_another(call, outcome) -> None:
    one = call("hf-batch")
    warden, job = one.job()
    job.suspend()
    beside = call("hf-batch")
    assert beside.end() == 1
    told = beside.said(r"/.* is locked").partition(" is ")[2]
    assert told.startswith("locked by a call that still runs: ")
    assert f"pid {one.process.pid} (snakemake)" in told
    assert f"pid {warden.pid} (run_traditional)" in told
    job.resume()
    assert one.end() == 0
    outcome("a call while another one runs", f"… is {told}", "the other call, undisturbed")


@pytest.mark.long
def test_a_call_after_a_kill_goes_on_with_equal_results(call, outcome, tree) -> None:
    undisturbed = call("hf-batch")
    assert undisturbed.end() == 0
    tokens = _tokens(tree)
    one = call("hf-batch")
    one.job()[1].suspend()
    one.process.kill()
    one.end()
    one.unlock()
    resumed = call("hf-batch", TMPDIR=str(one.temporary))
    assert resumed.end() == 0, resumed.screen()
    assert _tokens(tree) == tokens
    assert one.left() == []  # the folder of the Snakemake that was killed, too
    outcome("a call after kill -9 of Snakemake and `make unlock`", "", "the tokens of an undisturbed run, no folder")


def _tokens(tree: Path) -> list[list[int]]:
    return read_parquet(tree / run_file("hf-batch", "requests.parquet")).column("output_token_ids").to_pylist()
