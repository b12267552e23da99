"""Run a configuration twice with one seed and compare workloads, tokens and counts: they must be equal.

    python benchmarks/same_seed.py [OVERLAY ...]

OVERLAY is a file that is given to `--configfile` after config.yaml, config/quick.yaml without one. Each call has a
scratch folder of its own. With two folders of finished calls, `python benchmarks/same_seed.py --compare A B` runs
nothing. Times and samples of memory differ between calls; what is compared is named in COMPARED. Exit code 1 if
anything differs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import pyarrow as pa  # noqa: E402

from kvbench.files import read_json, read_parquet  # noqa: E402
from kvbench.records import SPLIT  # noqa: E402

# Columns of a run's files, and keys of its repeats, that follow from the seed.
COMPARED = {
    "requests.parquet": ["repeat", "request_id", "prompt_tokens", "output_tokens", "output_token_ids", "text"],
    "kv.parquet": ["repeat", "step", "running", "waiting", "scheduled_tokens", "preemptions", "allocated", *SPLIT],
}
COUNTS = ("repeat", "requests", "prompt_tokens", "output_tokens", "steps", "preemptions")


def main(overlays: list[str], given: list[Path]) -> None:
    """Print what differs and what was compared."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = given or [run(Path(scratch, name), overlays) for name in ("first", "second")]
        compared, different = compare(*folders)
    print(*(f"differs: {name}" for name in different), sep="\n", end="\n" if different else "")
    print(f"{compared} files compared, {len(different)} differ")
    sys.exit(bool(different or not compared))


def run(folder: Path, overlays: list[str]) -> Path:
    """Do the runs of a configuration in a folder of its own."""
    folder.mkdir()
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(ROOT / "config.yaml"), *overlays]
    if subprocess.run([*command, "--until", "run_traditional", "run_vllm"], cwd=ROOT, check=False).returncode:
        sys.exit("snakemake failed: see above")
    return folder


def compare(one: Path, other: Path) -> tuple[int, list[str]]:
    """The number of files compared, and those that differ or that only one folder has."""
    names = sorted({str(path.relative_to(folder)) for folder in (one, other) for path in files(folder)})
    return len(names), [name for name in names if content(one / name) != content(other / name)]


def files(folder: Path) -> list[Path]:
    """Workloads, and the files of runs that are compared."""
    found = [*folder.glob("results/workloads/**/*.parquet"), *folder.glob("results/runs/**/run.json")]
    return found + [path for name in COMPARED for path in folder.glob(f"results/runs/**/{name}")]


def content(path: Path) -> list | pa.Table | None:
    """What a file says that follows from the seed; None if it is missing."""
    if not path.is_file():
        return None
    if path.suffix == ".json":
        return [[repeat.get(key) for key in COUNTS] for repeat in read_json(path)["repeats"]]
    return read_parquet(path, COMPARED.get(path.name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run a configuration twice and compare what follows from its seed.")
    parser.add_argument("overlays", nargs="*", default=[str(ROOT / "config/quick.yaml")])
    parser.add_argument("--compare", nargs=2, type=Path, default=[], metavar=("A", "B"), help="finished folders")
    options = parser.parse_args()
    main(options.overlays, options.compare)
