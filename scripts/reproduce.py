"""Repeat the run behind a claim and compare its verdict with the published one: `make reproduce CLAIM=…`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from kvbench.analysis.claims import read_claims
from kvbench.errors import UserError
from kvbench.preflight.given_files import check_given_files
from kvbench.publication.claims import LIST, chosen
from kvbench.publication.reproduce import listed, outcomes
from kvbench.publication.runs import Run, read_runs

ROOT = Path(__file__).resolve().parents[1]
ANOTHER, FAILED = 1, 2


def main() -> None:
    """Exit with 0 if every verdict is the published one, 1 if one differs, 2 if there is none."""
    parser = argparse.ArgumentParser(description="Repeat the run behind a claim; further options are Snakemake's.")
    parser.add_argument("claim", help=f"id of config/claims.yaml, or {LIST}")
    parser.add_argument("--run", help="one of docs/gallery/runs.yaml; default: the easiest that judges the claim")
    parser.add_argument("--directory", type=Path, help="where it runs; default: reproduce/RUN")
    parser.add_argument("--cores", default="all")
    options, further = parser.parse_known_args()
    try:
        runs, claims = read_runs(ROOT), read_claims(ROOT / "config/claims.yaml")
        if options.claim == LIST:
            print("\n".join(listed(runs, claims)))
            return
        run = chosen(runs, claims, options.claim, options.run or None)
        folder = (options.directory or ROOT / "reproduce" / run.name).resolve()
        print(f"{options.claim}: {run.command} in {folder}; the published run took {run.minutes} min", flush=True)
        sys.exit(repeat(run, folder, options.claim, ["--cores", options.cores, *further]))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:  # Snakemake has said what it ended
        sys.exit(FAILED)


def repeat(run: Run, folder: Path, claim: str, options: list[str]) -> int:
    """Run Snakemake in `folder` and print the outcome for each workload."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = [*run.arguments, "--directory", str(folder), *options]
    check_given_files(arguments)
    if subprocess.call([sys.executable, "-m", "snakemake", *arguments], cwd=ROOT):
        print(f"{claim}: the run failed, so there is no verdict; the same command goes on", file=sys.stderr)
        return FAILED
    found = outcomes(run, folder, claim)
    print("\n".join(map(str, found)))
    return 0 if all(one.same for one in found) else ANOTHER


if __name__ == "__main__":
    main()
