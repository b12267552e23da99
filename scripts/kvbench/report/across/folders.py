"""Loads the tables, settings and machine of a results folder or of a gallery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.errors import UserError
from kvbench.files import read_record, read_table
from kvbench.report.machine import device
from kvbench.yaml_files import read_yaml

MEND = "give a results folder of `make run`, the folder around it, or one of docs/gallery"


@dataclass(frozen=True)
class Folder:
    """A finished run: its name, and the content of environment.json and config.yaml."""

    name: str
    path: Path
    environment: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    _read: dict[str, pd.DataFrame] = field(init=False, repr=False, compare=False, default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """A table, read when it is first asked for; an empty frame without columns where the run has none."""
        if name not in self._read:
            path = self.path / f"tables/{name}.csv"
            self._read[name] = read_table(path) if path.is_file() else pd.DataFrame()
        return self._read[name]

    @property
    def versions(self) -> dict[str, str]:
        """Versions by package; a results folder has also the packages' places, a gallery the versions alone."""
        found = self.environment.get("packages") or {}
        return {
            name: facts["version"] if isinstance(facts, Mapping) else facts
            for name, facts in sorted(found.items())
            if facts
        }

    @property
    def durations_s(self) -> float:
        """Seconds of all jobs, which a gallery has in durations.csv; UserError where it is missing."""
        return float(read_table(self.path / "durations.csv")["seconds"].sum())

    @property
    def device(self) -> str:
        """What the engines ran on, in a few words."""
        return device(self.environment)


def has_tables(path: str | Path) -> bool:
    """Whether a folder, or the `results` in it, has tables."""
    return any(_results(Path(path)).glob("tables/*.csv"))


def _results(path: Path) -> Path:
    return path / "results" if (path / "results/tables").is_dir() else path


def load(path: str | Path) -> Folder:
    """Load one folder, named after itself or, if it is called `results`, after the folder around it.

    UserError if it has no tables.
    """
    if not Path(path).is_dir():
        raise UserError(f"{path}: no such folder; {MEND}")
    if not has_tables(path):
        raise UserError(f"{path}: no tables/*.csv, so no finished run; {MEND}")
    found = _results(Path(path))
    name = found.resolve().parent.name if found.resolve().name == "results" else found.resolve().name
    config = found / "config.yaml"
    return Folder(
        name,
        found,
        read_record(found / "environment.json"),
        read_yaml(config) or {} if config.is_file() else {},
    )


def load_all(paths: Sequence[str | Path]) -> list[Folder]:
    """Load folders; a name that occurs twice is replaced by the path. UserError for one folder given twice."""
    folders = [load(path) for path in paths]
    places = Counter(folder.path.resolve() for folder in folders)
    if twice := [str(place) for place, times in places.items() if times > 1]:
        raise UserError(f"{twice[0]}: this folder is given twice; give each once")
    names = Counter(folder.name for folder in folders)
    return [folder if names[folder.name] == 1 else replace(folder, name=str(folder.path)) for folder in folders]
