"""Check that tables, figures and pages of finished runs come out identical to the byte: for pure refactorings.

    python benchmarks/same_bytes.py FOLDER [OVERLAY ...]

FOLDER holds config.yaml, `results/` and `resources/` of a finished call, perhaps of an older checkout; OVERLAY is a
file that the call gave to `--configfile` after config.yaml. In a copy, this checkout makes everything that follows the
runs again, without running an engine. Prints the names of files that differ; exit code 1 if there are any.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MADE = (
    "tables",
    "figures",
    "sweeps",
    "replays",
    "report.html",
    "found.txt",
    "methods.txt",
    "methods.tex",
    "capacity.html",
)


def main(folder: Path, overlays: list[str]) -> None:
    """Compare the existing files with those that this checkout makes."""
    if not (folder / "results/report.html").is_file():
        sys.exit(f"{folder}: no results/report.html; give a folder in which snakemake has finished")
    with tempfile.TemporaryDirectory() as copy:
        remake(folder.resolve(), Path(copy), [str(Path(overlay).resolve()) for overlay in overlays])
        old, new = files(folder / "results"), files(Path(copy) / "results")
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    print(*(f"differs: {name}" for name in differing), sep="\n", end="\n" if differing else "")
    print(f"{len(old)} files, {len(differing)} differ")
    sys.exit(bool(differing))


def remake(folder: Path, copy: Path, overlays: list[str]) -> None:
    """Copy the runs, and let this checkout make everything else from them."""
    shutil.copytree(folder / "results", copy / "results", ignore=made)
    (copy / "resources").symlink_to(folder / "resources")
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(copy), "--rerun-triggers", "mtime", "--replace-workflow-config", "--configfile"]
    done = subprocess.run([*command, str(folder / "config.yaml"), *overlays], cwd=copy, check=False)
    if done.returncode:
        sys.exit("snakemake failed: see above")


def made(folder: str, names: list[str]) -> list[str]:
    """The names in a folder that are made from runs."""
    return [name for name in names if Path(folder).name == "results" and name in MADE]


def files(results: Path) -> dict[str, bytes]:
    """Bytes of the files that are made from runs."""
    found = [path for name in MADE for path in [results / name, *(results / name).rglob("*")] if path.is_file()]
    return {str(path.relative_to(results)): path.read_bytes() for path in found}


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
