"""Write docs/reproduce.md: `make docs`."""

import sys
from pathlib import Path

from kvbench.analysis.claims import read_claims
from kvbench.errors import UserError
from kvbench.files import write_text
from kvbench.publication.page import page
from kvbench.publication.runs import read_runs

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "envs"))

from bootstrap import SIZES  # noqa: E402 (its folder is no package)


def text() -> str:
    """The page of this checkout."""
    return page(read_runs(ROOT), read_claims(ROOT / "config/claims.yaml"), SIZES)


if __name__ == "__main__":
    try:
        write_text(ROOT / "docs/reproduce.md", text())
    except UserError as error:
        sys.exit(str(error))
