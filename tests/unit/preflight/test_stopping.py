"""Signals to a call: the jobs are interrupted, and the last line says how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import IMPORT_PATH

from kvbench.preflight.stopping import Stopping, locked

# Snakemake with a job that has begun, which has a process below it, and one that has not; each says how it ends.
SNAKEMAKE = """
import subprocess, sys, time
from pathlib import Path
from kvbench.preflight.stopping import Stopping
stopping = Stopping()
stopping.install()
jobs = [subprocess.Popen([sys.executable, str(path)]) for path in sorted(Path(".snakemake/scripts").glob("*.py"))]
print("ready", flush=True)
try:
    time.sleep(60)
except SystemExit:
    print([job.wait() for job in jobs], stopping.line(), flush=True)
"""
BEGUN = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("begun", flush=True)
try:
    child.wait()
finally:
    child.kill()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_jobs_end_with_a_signal_to_snakemake_alone(tmp_path: Path, number: signal.Signals) -> None:
    scripts = tmp_path / ".snakemake/scripts"
    scripts.mkdir(parents=True)
    (scripts / "tmp1.run_vllm.py").write_text(BEGUN)
    (scripts / "tmp2.make_report.py").write_text("import time\ntime.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    command = [sys.executable, "-c", SNAKEMAKE]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert sorted(process.stdout.readline() for _ in range(2)) == ["begun\n", "ready\n"]
        process.send_signal(number)
        told = process.communicate(timeout=60)[0]
    go_on = f"Interrupted by {number.name}. Finished runs are kept; run the same command again to go on."
    assert told == f"[7, -15] {go_on}\n"


def test_a_signal_before_the_first_job_is_the_last_line() -> None:
    """There Snakemake itself would end in a traceback."""
    program = SNAKEMAKE.partition("jobs = ")[0] + "signal.raise_signal(signal.SIGINT)"
    command = [sys.executable, "-c", f"import signal\n{program}"]
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    line = "Interrupted by SIGINT. Finished runs are kept; run the same command again to go on.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_nothing_is_said_without_a_signal() -> None:
    assert Stopping().line() is None


def test_a_lock_names_what_still_runs_in_its_folder_and_nothing_else(tmp_path: Path) -> None:
    ended = f"{tmp_path} is locked by a call that has ended, and nothing of it runs on this machine: run make unlock"
    assert locked(tmp_path) == ended
    script = tmp_path / ".snakemake/scripts/tmp1.run_vllm.py"
    script.parent.mkdir(parents=True)
    script.write_text("print('begun', flush=True)\nimport time\ntime.sleep(60)\n")
    command = [sys.executable, str(script)]
    of_slurm = {**os.environ, "SLURM_JOB_ID": "7"}
    with subprocess.Popen(command, cwd=tmp_path, env=of_slurm, stdout=subprocess.PIPE, text=True) as job:
        job.stdout.readline()
        assert locked(tmp_path) == ended  # SLURM says what becomes of it
        job.kill()
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as job:
        job.stdout.readline()
        still = (
            f"{tmp_path} is locked by a call that still runs: pid {job.pid} (run_vllm); wait for it, or end it first"
        )
        assert locked(tmp_path) == still
        assert locked(tmp_path.parent).endswith("run make unlock")
        job.kill()
    assert locked(tmp_path) == ended
