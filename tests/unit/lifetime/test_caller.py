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


def test_copies_of_scripts_go_unless_one_of_them_runs_in_the_folder(tmp_path: Path) -> None:
    scripts = tmp_path / ".snakemake/scripts"
    scripts.mkdir(parents=True)
    for name in ("tmp1.dead.py", "tmp2.runs.py"):
        (scripts / name).write_text("print('begun', flush=True)\nimport time\ntime.sleep(60)\n")
    command = [sys.executable, str(scripts / "tmp2.runs.py")]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as job:
        job.stdout.readline()
        remove_copies(tmp_path)
        assert sorted(path.name for path in scripts.iterdir()) == ["tmp1.dead.py", "tmp2.runs.py"]
        job.kill()
    remove_copies(tmp_path)
    assert list(scripts.iterdir()) == []
