"""Pack a finished run as an RO-Crate: `make crate [DIR=results] [OUT=crate.zip]`."""

import argparse
import sys
from pathlib import Path

from kvbench.errors import UserError
from kvbench.publication.crate import write_crate

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write the crate and say where it is."""
    parser = argparse.ArgumentParser(description="Pack a finished run as an RO-Crate.")
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="results folder")
    parser.add_argument("--out", type=Path, default=Path("crate.zip"))
    options = parser.parse_args()
    try:
        count = write_crate(options.results, options.out, ROOT)
    except UserError as error:
        sys.exit(str(error))
    print(f"{count} files, {options.out.stat().st_size / 2**20:.1f} MiB in {options.out}")


if __name__ == "__main__":
    main()
