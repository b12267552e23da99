"""Cancel the cluster jobs of a folder, of whichever call, and wait for their end: `make cancel`."""

import argparse
import sys
import time
from pathlib import Path

from kvbench.errors import UserError
from kvbench.machine import slurm

PERIOD_S = 1.0
PATIENCE_S = 120.0


def main() -> None:
    """Print what is cancelled; exit code 1 if it does not end in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", "-d", type=Path, default=Path(), help="the folder that holds results/")
    folder = parser.parse_args().directory
    try:
        found = slurm.jobs_in(folder)
        if found:
            slurm.cancel([job.number for job in found])
        until = time.monotonic() + PATIENCE_S
        while left := slurm.jobs_in(folder):
            if time.monotonic() > until:
                sys.exit(f"{', '.join(job.number for job in left)}: still ending; see squeue")
            time.sleep(PERIOD_S)
    except UserError as error:
        sys.exit(str(error))
    for job in found:
        print(f"cancelled job {job.number} of SLURM: {job.what} ({job.state})")
    if not found:
        print("no cluster job of this folder is queued or runs")


if __name__ == "__main__":
    main()
