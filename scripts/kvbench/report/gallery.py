"""Copies a finished run's figures, tables and settings to a folder for publication, without the machine's paths."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvbench.errors import UserError
from kvbench.figures.not_drawn import has_nothing
from kvbench.files import read_record, read_table, read_text, write_csv, write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

KINDS = (".png", ".csv")
LIMIT_BYTES = 8 * 2**20


def make_gallery(results: Path, logs: Path, target: Path) -> list[Path]:
    """Replace `target` with copies of the figures, tables and settings in `results`; returns the files written.

    Figures that only say why there is nothing to draw are left out.

    `durations.csv` has the seconds of each job, which Snakemake records under `logs`.

    UserError if the run is not finished or the gallery would be too large for a repository.
    """
    if not (results / "report.html").is_file():
        raise UserError(f"{results}: no report.html, so the run is not finished; run snakemake --cores 1 first")
    sources = sorted(p for folder in ("figures", "tables") for p in (results / folder).rglob("*") if _published(p))
    size = sum(path.stat().st_size for path in sources)
    if size > LIMIT_BYTES:
        raise UserError(f"{results}: {size / 2**20:.1f} MiB of figures and tables; lower figures.dpi in config.yaml")
    shutil.rmtree(target, ignore_errors=True)
    for source in sources:
        _copy(source, target / source.relative_to(results).as_posix().removeprefix("figures/"))
    write_json(target / "environment.json", published_environment(results / "environment.json"))
    write_csv(target / "durations.csv", durations(logs))
    write_text(target / "config.yaml", read_text(results / "config.yaml"))
    return sorted(path for path in target.rglob("*") if path.is_file())


def durations(logs: Path) -> pd.DataFrame:
    """`job` and its wall time `seconds`, from the benchmark files of all rules."""
    import pandas as pd

    rows = [
        (path.relative_to(logs).with_suffix("").as_posix(), read_table(path, "\t")["s"].sum())
        for path in sorted(logs.rglob("*.tsv"))
    ]
    return pd.DataFrame(rows, columns=["job", "seconds"])


def published_environment(path: str | Path) -> dict[str, Any]:
    """What is published of environment.json; UserError if it is missing or broken."""
    return public(read_record(path, "packages", "python"))


def public(environment: dict[str, Any]) -> dict[str, Any]:
    """The environment without paths of the machine and identifiers of its hardware."""
    packages = {name: found and found["version"] for name, found in environment["packages"].items()}
    python = {key: value for key, value in environment["python"].items() if key in ("version", "isolation")}
    gpus = [{key: value for key, value in gpu.items() if key != "uuid"} for gpu in environment.get("gpus") or []]
    return {**environment, "packages": packages, "python": python, "gpus": gpus}


def _published(path: Path) -> bool:
    return path.suffix in KINDS and not (path.suffix == ".png" and has_nothing(path.read_bytes()))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
