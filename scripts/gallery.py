"""`make gallery NAME=… [DIR=…]`: put a finished run's figures and tables under docs/gallery/<NAME>/."""

import re
import sys
from pathlib import Path

from kvbench.errors import UserError
from kvbench.report.gallery import make_gallery

ROOT = Path(__file__).resolve().parents[1]


def main(name: str, folder: str = "") -> None:
    """`folder` holds results/ and logs/, as after `--directory`; ours by default."""
    base = Path(folder or ROOT)
    if not re.fullmatch(r"[\w.-]+", name):
        sys.exit("gallery: NAME: give a name for the machine, such as make gallery NAME=h200")
    try:
        files = make_gallery(base / "results", base / "logs", ROOT / "docs/gallery" / name)
    except UserError as error:
        sys.exit(str(error))
    size = sum(path.stat().st_size for path in files)
    print(f"{len(files)} files, {size / 2**20:.1f} MiB in docs/gallery/{name}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or [""]))
