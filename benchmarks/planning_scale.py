"""Seconds of a dry run of 10, 300 and 1,000 points of a sweep: python benchmarks/planning_scale.py.

Each call of Snakemake plans config.yaml with that many KV budgets of one engine, in an empty folder. `cpu` is the time
of its process and counts on a busy machine too; the ratio beside it is that of the seconds to those of the first size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "snakemake", "--dry-run", "--snakefile", str(ROOT / "Snakefile")]
PROFILE = ["--workflow-profile", str(ROOT / "profiles/default")]


def main() -> None:
    """Print a line for each size; exit code 1 if a call fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[10, 300, 1000])
    found = {points: seconds(points) for points in parser.parse_args().points}
    first = next(iter(found.values()))
    print(f"{'points':>8} {'wall s':>8} {'cpu s':>8} {'ratio':>8}")
    for points, (wall_s, cpu_s) in found.items():
        print(f"{points:>8} {wall_s:>8.1f} {cpu_s:>8.1f} {cpu_s / first[1]:>8.2f}")


def seconds(points: int) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a dry run of so many points."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder, "points.yaml")
        overlay.write_text(yaml.safe_dump({"runs": [entry(points)]}))
        given = [*PROFILE, "--directory", folder, "--configfile", str(ROOT / "config.yaml"), str(overlay)]
        before, begun = cpu_of_children(), time.perf_counter()
        subprocess.run([*COMMAND, *given], cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - begun, cpu_of_children() - before


def entry(points: int) -> dict:
    """An entry of `runs` with one engine and as many KV budgets as there are to be points."""
    budgets = [8.5 + 0.5 * number for number in range(points)]
    served = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"], "max_length": 64}
    return {**served, "sweep": {"kv_budget_mib": budgets}}


def cpu_of_children() -> float:
    """CPU seconds of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
