"""Replay finished runs on the clock of their own steps and compare every decision with the live engine's.

    python benchmarks/replay_beside_live.py results/runs/llama-13b/vllm/sharegpt/requests_per_s-4 [more run folders]

Prints a line per run and timed repeat: its steps, and which of the counts of running and waiting requests, scheduled
tokens and preemptions, or the steps of admission, differ from the replay's in any step, and where first. Exits with 1
if any does.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from common import run

from kvbench.analysis.results import load_runs
from kvbench.replay.live_serving import compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders with run.json, kv.parquet and requests.parquet")
    same = True
    for folder in parser.parse_args().runs:
        [live] = load_runs([folder / "run.json"])
        for number in (one["repeat"] for one in live.timed()):
            found = compare(live, number)
            same &= found.same
            said = {"repeat": number, "steps": found.steps, "differing": found.differing, "first": found.first}
            print(json.dumps({"run": str(folder), **said}))
    sys.exit(not same)


if __name__ == "__main__":
    run(main)
