"""Make tables, figures and the report of finished runs again: `make report`; further options are Snakemake's."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from kvbench.config.finished import arguments
from kvbench.errors import UserError
from kvbench.preflight.engines import READ_ONLY

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Call Snakemake; its exit code is ours."""
    parser = argparse.ArgumentParser(description="Make tables, figures and the report of finished runs again.")
    parser.add_argument("--directory", type=Path, default=Path(), help="the folder that holds results/")
    parser.add_argument("--partial", action="store_true", help="leave out runs that are missing, and name them")
    options, further = parser.parse_known_args()
    try:
        given = arguments(options.directory.resolve(), READ_ONLY, partial=options.partial)
    except UserError as error:
        sys.exit(str(error))
    command = [sys.executable, "-m", "snakemake", *further, "--snakefile", str(ROOT / "Snakefile"), *given]
    partial = {"KVBENCH_PARTIAL": "1"} if options.partial else {}
    sys.exit(subprocess.call(command, cwd=ROOT, env={**os.environ, "KVBENCH_READS_ONLY": "1", **partial}))


if __name__ == "__main__":
    main()
