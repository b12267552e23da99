"""`make verify [A=folder]`: whether each file of results/ follows from what is beside it, the code, settings, packages.

The folder holds results/, or is one. Nothing is written; exit code 1 if a file does not follow.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kvbench.config import paths
from kvbench.errors import UserError
from kvbench.provenance.plan import WANTED, Planned, read_plan
from kvbench.provenance.summary import lines, table
from kvbench.provenance.verdicts import OK, Verifier
from kvbench.provenance.wording import READS_ONLY

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print the table and the lines."""
    parser = argparse.ArgumentParser(description="Whether results follow from what is there.")
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT, help="the folder that holds results/, or these")
    try:
        with holding(parser.parse_args().folder.resolve()) as folder:
            verdicts = Verifier(folder).verdicts(planned(folder))
    except UserError as error:
        sys.exit(str(error))
    print(table(verdicts))
    told = lines(verdicts)
    print(*told, sep="\n", end="\n" if told else "")
    sys.exit(any(one.state != OK for one in verdicts))


@contextmanager
def holding(folder: Path) -> Iterator[Path]:
    """The folder that holds results/; of results under another name one with a link to them."""
    if (folder / paths.CONFIG).is_file():
        yield folder
    elif (folder / Path(paths.CONFIG).name).is_file() and (folder / Path(paths.ENVIRONMENT).name).is_file():
        with tempfile.TemporaryDirectory() as beside:
            Path(beside, "results").symlink_to(folder)
            yield Path(beside)
    else:
        raise UserError(f"{folder / paths.CONFIG}: not found; name the folder of a finished run: make verify A=FOLDER")


def planned(folder: Path) -> list[Planned]:
    """The jobs that a dry run finds for the configuration in results/; UserError with its last line if it fails."""
    with tempfile.TemporaryDirectory() as beside:
        plan = Path(beside, "plan.json")
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--dry-run",
            "--cores",
            "1",
            "--snakefile",
            str(ROOT / "Snakefile"),
        ]
        command += ["--directory", str(folder), "--replace-workflow-config", "--configfile", str(folder / paths.CONFIG)]
        own = {WANTED: str(plan), READS_ONLY: "1"}
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True)
        if not plan.is_file():
            raise UserError((done.stderr.strip() or "the dry run has failed").splitlines()[-1])
        return read_plan(plan)


if __name__ == "__main__":
    main()
