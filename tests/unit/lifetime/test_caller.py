"""The Snakemake of a job, and what it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kvbench.lifetime.caller import announce, remove_copies, take


def test_a_job_asks_once_for_its_snakemake() -> None:
    environment: dict[str, str] = {}
    assert take(environment) is None
    announce(environment)
    assert take(environment) == os.getpid()
    assert take(environment) is None  # programs that it starts are no jobs


def test_only_copies_of_scripts_that_are_old_and_do_not_run_are_removed(tmp_path: Path) -> None:
    names = ("tmp1.dead.py", "tmp2.runs.py", "tmp3.new.py")
    for name in names:
        (tmp_path / name).write_text("print('begun', flush=True)\nimport time\ntime.sleep(60)\n")
    for name in names[:2]:
        os.utime(tmp_path / name, (1000, 1000))
    command = [sys.executable, str(tmp_path / "tmp2.runs.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        job.stdout.readline()
        remove_copies(tmp_path)
        job.kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp2.runs.py", "tmp3.new.py"]
