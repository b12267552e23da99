"""A picture and a film of a finished run's block map: `make picture`, or picture.py [MAP] [--out FOLDER]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kvbench.errors import UserError
from kvbench.report.film import make

MAPS = Path("results/maps")


def main() -> None:
    """Write block-map.png, block-map.gif and block-map.csv."""
    parser = argparse.ArgumentParser(description="Draw a picture and a film of a block map.")
    parser.add_argument("map", nargs="?", type=Path, help="results/maps/<model>/<workload>.json.gz; may be left out")
    parser.add_argument("--out", type=Path, default=Path("results/picture"), help="folder for the three files")
    parser.add_argument("--step", type=int, help="step of the first side in the PNG; else that with most live slots")
    parser.add_argument("--frames", type=int, default=100, help="moments in the GIF")
    options = parser.parse_args()
    if options.frames < 1:
        parser.error("--frames: must be at least 1")
    try:
        files = make(options.map or only_map(), options.out, step=options.step, frames=options.frames)
    except UserError as error:
        sys.exit(str(error))
    for file in files:
        print(f"{file}: {file.stat().st_size / 2**20:.2f} MiB")


def only_map(folder: Path = MAPS) -> Path:
    """The map of the last run. UserError if there is none, or several to choose from."""
    found = sorted(folder.rglob("*.json.gz"))
    if not found:
        raise UserError(f"{folder}: no map; run an experiment first, such as config/picture.yaml")
    if len(found) > 1:
        raise UserError(f"{folder}: several maps; name one of {', '.join(map(str, found))}")
    return found[0]


if __name__ == "__main__":
    main()
