"""What happens to a job itself: killed, terminated, stopped for ever or for a while."""

from __future__ import annotations

import threading

import pytest
from builders.faulty import run_file

from kvbench.analysis.statistics import disturbed
from kvbench.files import read_json

KEPT = "finished runs are kept, run the same command again to go on"


def test_kill_of_a_job(call, outcome, goes_on) -> None:
    one = call("hf-batch")
    one.job()
    one.until("repeat-1 begins")
    one.job()[1].kill()
    assert one.end() == 1
    told = one.said("run_traditional")
    assert f"base: killed by signal 9 (SIGKILL) in phase {one.serving()}" in told
    assert told.endswith(f"see logs/run_traditional/tiny/hf-batch/mine/base.log; {KEPT}")
    assert one.left() == []
    outcome("kill -9 of a run, as by a system without memory", told)
    goes_on(one)


@pytest.mark.long
def test_a_job_that_hangs(call, outcome, goes_on) -> None:
    """It is stopped before it could look at a clock of its own."""
    one = call("hf-batch", "--config", "timeout_s={run_traditional: 3}")
    one.job()[1].suspend()
    assert one.end() == 1
    told = one.said("run_traditional")
    assert "base: ended in phase start, since it took longer than 3 s; see logs/run_traditional/tiny/" in told
    assert "set timeout_s: {run_traditional: seconds} in config.yaml" in told
    assert one.left() == []
    outcome("a run that hangs (SIGSTOP), `timeout_s: {run_traditional: 3}`", told)
    goes_on(one)


@pytest.mark.long
def test_a_job_that_is_stopped_for_a_while(call, outcome, tree) -> None:
    """It goes on, and its only repeat counts as disturbed."""
    one = call("hf-batch")
    one.until("repeat-1 begins")
    job = one.job()[1]
    job.suspend()
    threading.Event().wait(3)
    job.resume()
    assert one.end() == 0
    record = read_json(tree / run_file("hf-batch"))
    timed = [repeat for repeat in record["repeats"] if repeat["timed"] and repeat["scope"] == "all"]
    assert len(timed) == 1
    assert timed[0]["stopped_s"] > 2
    assert disturbed(timed, record["device"], record["threads"]) == [True]
    outcome("a run stopped for three seconds (SIGSTOP, SIGCONT)", "", "a repeat marked as disturbed")


@pytest.mark.long
@pytest.mark.parametrize("which", [0, 1], ids=["warden", "job"])
def test_sigterm_to_a_job(call, outcome, goes_on, which: int) -> None:
    one = call("hf-batch")
    one.job()
    one.until("repeat-1 begins")
    one.job()[which].terminate()
    assert one.end() == 1
    told = one.said("run_traditional")
    assert "by" in told
    assert "SIGTERM" in told
    assert told.endswith(KEPT)
    assert one.left() == []
    outcome(f"SIGTERM to a run's {('first', 'second')[which]} process", told)
    goes_on(one)


@pytest.mark.long
def test_kill_of_a_warden(call, outcome, goes_on) -> None:
    """The job ends with it, in order."""
    one = call("hf-batch")
    one.job()
    one.until("repeat-1 begins")
    one.job()[0].kill()
    assert one.end() == 1
    assert one.left() == []
    outcome("kill -9 of a run's first process, its warden", "Error in rule run_traditional:")
    goes_on(one)


@pytest.mark.long
def test_kill_of_all_at_once(call, outcome, goes_on) -> None:
    """Nobody is left to clean up; the next call does."""
    one = call("hf-batch")
    one.job()
    one.until("repeat-1 begins")
    warden, job = one.job()
    one.process.kill()
    warden.kill()
    job.kill()
    one.end()
    folders, copies = one.left()[:2], one.left()[2:]
    assert sorted(name[:7] for name in folders) == ["kvbench", "snakema"]
    assert [name.partition(".")[2] for name in copies] == ["run_traditional.py"]
    outcome(
        "kill -9 of Snakemake, warden and run at once",
        "",
        "two folders and a copy of a script, until the next call; a lock, until `make unlock`",
    )
    one.unlock()
    goes_on(one)
