"""What an interruption costs: Ctrl-C in the middle of a run, then the same command again, beside an undisturbed call.

    python benchmarks/resume_cost.py config/quick.yaml
    python benchmarks/resume_cost.py config/quick.yaml --rule run_traditional results/tables/repeats.csv

In a copy of the project models and workloads are made first. Then the configuration with this overlay is run
undisturbed, and again from there with an interruption once the first job of the rule serves its requests. The cost is
the time of the interrupted call and of the one that goes on, less that of the undisturbed call. It should be at most
what the interrupted job takes undisturbed, plus 10 s. More arguments, such as targets, go to Snakemake.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = (".git", ".venv", ".snakemake", "results", "resources", "logs", "__pycache__", "tests", "docs")
GOAL_S = 10.0
SERVES = "repeat-1 begins"  # in a run's log
RULES = ("run_vllm", "run_traditional")


class Project:
    """A copy of the project in which models and workloads are made, and which can be had again as it then was."""

    def __init__(self, folder: Path, overlay: Path, more: Sequence[str]) -> None:
        self.more = more
        self.tree, self.snapshot = folder / "tree", folder / "snapshot"
        self.command = [sys.executable, "-m", "snakemake", "--configfile", "config.yaml", str(overlay.resolve())]
        self.command += ["--cores", "all"]
        shutil.copytree(ROOT, self.snapshot, ignore=shutil.ignore_patterns(*LEFT_OUT))
        self.again()
        self.finish(self._call("--until", "make_workload"))
        shutil.rmtree(self.snapshot)
        shutil.move(self.tree, self.snapshot)
        self.again()

    def again(self) -> None:
        """Undo all that was done since."""
        shutil.rmtree(self.tree, ignore_errors=True)
        shutil.copytree(self.snapshot, self.tree)

    def start(self) -> subprocess.Popen:
        """Begin a call, in a session of its own."""
        return self._call(*self.more)

    def _call(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen([*self.command, *arguments], cwd=self.tree, start_new_session=True)

    def finish(self, call: subprocess.Popen) -> None:
        """Wait for a call that nothing happens to."""
        if call.wait():
            sys.exit("the call failed: see above")

    def interrupt(self, call: subprocess.Popen, rule: str) -> Path:
        """Ctrl-C once a job of the rule serves its requests; return its log."""
        while not (found := [log for log in self.tree.glob(f"logs/{rule}/**/*.log") if SERVES in log.read_text()]):
            if call.poll() is not None:
                sys.exit(f"no job of {rule} served requests: choose another overlay or --rule")
            time.sleep(0.05)
        os.killpg(call.pid, signal.SIGINT)
        call.wait()
        return found[0].relative_to(self.tree)


def job_seconds(log: Path) -> float:
    """What a finished job took, from Snakemake's benchmark file beside its log."""
    return float(log.with_suffix(".tsv").read_text().splitlines()[1].split("\t")[0])


def measure(project: Project, rule: str) -> dict[str, float | str]:
    """Seconds of the undisturbed, the interrupted and the resumed call, and of the job that was interrupted."""
    times = [time.monotonic()]
    log = project.interrupt(project.start(), rule)
    times.append(time.monotonic())
    project.finish(project.start())
    times.append(time.monotonic())
    project.again()
    begin = time.monotonic()
    project.finish(project.start())
    undisturbed = time.monotonic() - begin
    job = job_seconds(project.tree / log)
    cost = times[2] - times[0] - undisturbed
    return {
        "job": str(log.with_suffix("")).removeprefix("logs/"),
        "undisturbed_s": round(undisturbed, 1),
        "interrupted_s": round(times[1] - times[0], 1),
        "resumed_s": round(times[2] - times[1], 1),
        "cost_s": round(cost, 1),
        "job_s": round(job, 1),
        "over_s": round(cost - job, 1),
        "goal_over_s": GOAL_S,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlay", type=Path)
    parser.add_argument("--rule", choices=RULES, default=RULES[0], help="whose first job is interrupted")
    arguments, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Project(Path(folder), arguments.overlay, more), arguments.rule), indent=2))


if __name__ == "__main__":
    main()
