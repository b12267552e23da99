"""Seconds that `snakemake --cores 1` takes when there is nothing to do: python benchmarks/nothing_to_do.py."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "1"]


def main(calls: int = 5) -> None:
    """Print the median of some calls; exit code 1 if there is something to do."""
    if not nothing_to_do("--dry-run"):
        sys.exit("there is something to do: run `snakemake --cores 1` first")
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        nothing_to_do()
        seconds.append(time.perf_counter() - start)
    print(f"nothing to do: {statistics.median(seconds):.2f} s, median of {calls} (goal: 3 s or less)")


def nothing_to_do(*arguments: str) -> bool:
    """Call Snakemake; return whether it says that there is nothing to do."""
    done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True)
    return "Nothing to be done" in done.stdout + done.stderr


if __name__ == "__main__":
    main()
