"""Signals to a call of Snakemake while a run goes on: one line, nothing left, and the next call goes on."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from builders.faulty import run_file, tokens

INTERRUPTED = "run_traditional tiny hf-batch mine base: interrupted in phase "
GO_ON = "Finished runs are kept; run the same command again to go on."


def test_ctrl_c(call, outcome, goes_on) -> None:
    one = call("hf-batch")
    one.job()
    one.until("repeat-1 begins")
    one.group(signal.SIGINT)
    assert one.end() == 1
    assert one.said("run_traditional").startswith(INTERRUPTED)
    assert one.screen()[-1] == f"Interrupted by SIGINT. {GO_ON}"
    assert not [line for line in one.screen() if "Error" in line]
    assert one.left() == []
    outcome("Ctrl-C during a run", one.screen()[-1])
    goes_on(one)


@pytest.mark.long
def test_ctrl_c_before_the_first_job(call, outcome) -> None:
    one = call("hf-batch")
    one.shows("Building DAG of jobs")
    one.group(signal.SIGINT)
    assert one.end() == 1
    assert one.screen()[-1] == f"Interrupted by SIGINT. {GO_ON}"
    assert one.left() == []
    assert call("hf-batch", resumes=one).end() == 0
    outcome("Ctrl-C before the first job", one.screen()[-1])


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_snakemake_alone(call, outcome, goes_on, number: signal.Signals) -> None:
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
    goes_on(one)


def test_kill_of_snakemake(call, outcome, goes_on) -> None:
    """The job ends; the folder stays locked, which the next call explains."""
    one = call("hf-batch")
    one.job()[1].suspend()
    one.process.kill()
    one.end()
    told = one.said("run_traditional")
    assert told.endswith("ended, because its Snakemake has ended; run make unlock, then the same command to go on")
    assert [name for name in one.left() if not name.startswith("snakemake")] == []
    after = call("hf-batch", resumes=one)
    assert after.end() == 1
    locked = after.said(r"/.* is locked").partition(" is ")[2]
    assert locked == "locked by a call that has ended, and nothing of it runs on this machine: run make unlock"
    outcome("kill -9 of Snakemake during a run", told, "a lock, until `make unlock`; a folder, until the next call")
    outcome("a call after kill -9 of Snakemake", f"… is {locked}")
    one.unlock()
    goes_on(one)
    outcome("a call after kill -9 of Snakemake and `make unlock`", "", "the tokens of an undisturbed run, no folder")


@pytest.mark.long
def test_a_call_beside_another(call, outcome, undisturbed, tree: Path) -> None:
    one = call("hf-batch")
    warden, job = one.job()
    job.suspend()
    beside = call("hf-batch")
    assert beside.end() == 1
    told = beside.said(r"/.* is locked").partition(" is ")[2]
    assert told.startswith("locked by a call that still runs: ")
    assert f"pid {one.process.pid} (snakemake)" in told
    assert f"pid {warden.pid} (run_traditional)" in told
    assert beside.left() == [path.name for path in tree.glob(".snakemake/scripts/*")]  # the other call's
    job.resume()
    assert one.end() == 0
    assert one.left() == []
    assert tokens(tree, "hf-batch") == undisturbed(one)
    outcome("a call while another one runs", f"… is {told}", "the other call, undisturbed")


@pytest.mark.long
def test_two_calls_in_two_folders(call, outcome, undisturbed, tree: Path, tmp_path: Path) -> None:
    """One of them waits until the other has measured."""
    elsewhere = shutil.copytree(tree, tmp_path / "tree", ignore=shutil.ignore_patterns(".snakemake"))
    (elsewhere / run_file("hf-batch")).unlink(missing_ok=True)
    one = call("hf-batch")
    one.until("warm-up begins")
    one.job()[1].suspend()
    beside = call("hf-batch", folder=elsewhere, TMPDIR=str(one.temporary))
    beside.shows("waiting to load: another job on this machine is measuring")
    one.job()[1].resume()
    assert one.end() == beside.end() == 0
    assert one.left() == beside.left() == []
    assert tokens(tree, "hf-batch") == tokens(elsewhere, "hf-batch") == undisturbed(one)
    outcome(
        "two calls at once in two folders", beside.said("run_traditional"), "two complete runs, one after the other"
    )
