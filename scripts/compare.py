"""Compare two finished result folders: `make compare A=dir B=dir [OUT=file.html or file.md]`."""

from __future__ import annotations

import argparse
import sys

from kvbench.errors import UserError
from kvbench.files import write_text
from kvbench.report.comparison import as_html, as_markdown, compare, load_side

WRITERS = {".html": as_html, ".md": as_markdown}


def main() -> None:
    """Print the comparison and write it to a file."""
    parser = argparse.ArgumentParser(description="Compare two finished result folders.")
    parser.add_argument("a", metavar="A", help="results folder")
    parser.add_argument("b", metavar="B", help="results folder to compare with A")
    parser.add_argument("--out", default="results/compare.html", help="file.html or file.md")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    options = parser.parse_args()
    try:
        run(options.a, options.b, options.out, options.seed)
    except UserError as error:
        sys.exit(str(error))
    except BrokenPipeError:
        sys.stdout = None  # nothing more to flush


def run(a: str, b: str, out: str, seed: int) -> None:
    """Compare folders `a` and `b`. UserError for a folder without results or an unknown file type."""
    if not a or not b:
        raise UserError("make compare: A and B: give two result folders, such as A=results B=/elsewhere/results")
    writer = next((write for suffix, write in WRITERS.items() if out.endswith(suffix)), None)
    if writer is None:
        raise UserError(f"OUT={out}: unknown file type; end the name with {' or '.join(WRITERS)}")
    tables = compare(load_side(a), load_side(b), seed)
    write_text(out, writer(tables))
    print(as_markdown(tables))
    print(f"written to {out}")


if __name__ == "__main__":
    main()
