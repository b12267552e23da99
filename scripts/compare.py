"""Compare finished runs: `make compare A=dir B=dir` or `DIRS="a b c"` [OUT=file.html or file.md] [ARGS=--check]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kvbench.errors import UserError
from kvbench.files import write_text
from kvbench.report.across.folders import has_tables, load_all
from kvbench.report.across.picture import draw_machines
from kvbench.report.across.tables import across
from kvbench.report.across.verdicts import NAMES, changed, shared, verdicts
from kvbench.report.comparison import compare, has_runs, load_side
from kvbench.report.comparison_page import PAIR, as_html, as_markdown

if TYPE_CHECKING:
    import pandas as pd

WRITERS = {".html": as_html, ".md": as_markdown}
MANY = "Machines side by side"
CHANGED, NOT_COMPARABLE = 1, 2


def main() -> None:
    """Print the comparison and write it to a file."""
    parser = argparse.ArgumentParser(description="Compare finished runs.")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="results folder, or gallery")
    parser.add_argument("--out", default="results/compare.html", help="file.html or file.md")
    parser.add_argument("--check", action="store_true", help="only compare the claims' verdicts; exit 1 if one differs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    options = parser.parse_args()
    folders = [folder for folder in options.folders if folder]
    try:
        sys.exit(check(folders) if options.check else run(folders, options.out, options.seed))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_COMPARABLE if options.check else 1)
    except BrokenPipeError:
        sys.stdout = None  # nothing more to flush


def run(folders: Sequence[str], out: str, seed: int) -> None:
    """Compare folders. UserError for a folder without results or an unknown file type.

    Two folders with their raw repeats are compared by these, and machines by tables where all folders have tables.
    """
    _require_two(folders)
    writer = next((write for suffix, write in WRITERS.items() if out.endswith(suffix)), None)
    if writer is None:
        raise UserError(f"OUT={out}: unknown file type; end the name with {' or '.join(WRITERS)}")
    tables: dict[str, pd.DataFrame] = {}
    if len(folders) == 2 and all(map(has_runs, folders)):
        tables = compare(*map(load_side, folders), seed)
    drawn, title = None, PAIR
    if not tables or all(map(has_tables, folders)):
        machines = load_all(folders)
        tables = across(machines) | tables  # what both have is of A and B
        drawn, title = draw_machines(machines, Path(out)), MANY
    write_text(out, writer(tables, title, drawn))
    print(as_markdown(tables))
    print(f"written to {out}" + (f", drawn in {drawn}" if drawn else ""))


def check(folders: Sequence[str]) -> int:
    """Print the claims whose verdicts differ; 1 if there are any. UserError if the folders have no claim in common."""
    _require_two(folders)
    told = shared(verdicts(load_all(folders)))
    differing = changed(told)
    for row in differing.to_dict("records"):
        machines = "; ".join(f"{name}: {cell}" for name, cell in row.items() if name not in NAMES)
        print(f"{row['id']}, {row['model']}, {row['workload']}: {machines}")
    print(f"{len(differing)} of {len(told)} verdicts differ")
    return CHANGED if len(differing) else 0


def _require_two(folders: Sequence[str]) -> None:
    if len(folders) < 2:
        raise UserError(
            "make compare: A and B: give two result folders, such as A=results B=/elsewhere/results, or any number, "
            'such as DIRS="results docs/gallery/h200 docs/gallery/cpu-2-cores"'
        )


if __name__ == "__main__":
    main()
