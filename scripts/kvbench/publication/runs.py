"""The runs that can be repeated: their commands, and what the published one took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvbench.errors import UserError
from kvbench.report.across.folders import Folder, load
from kvbench.yaml_files import check_keys, check_list, read_yaml

BASE = "config.yaml"
GALLERIES = "docs/gallery"
RUNS = f"{GALLERIES}/runs.yaml"
FLAVOURS = ("plan", "cpu", "cuda")
OPTIONAL = {"overlays": list, "profile": str, "needs": str}
# Models of these sources have no weights on the disk.
BARE = ("shape",)


@dataclass(frozen=True)
class Run:
    """An entry of docs/gallery/runs.yaml with its configuration; `published` is its gallery, if it has one."""

    name: str
    target: str
    overlays: tuple[str, ...]
    profile: str | None
    needs: str | None
    config: Mapping[str, Any]
    published: Folder | None

    @property
    def arguments(self) -> list[str]:
        """What follows `snakemake --cores N`; `make plan` names its own overlay first."""
        profile = ["--workflow-profile", self.profile] if self.profile else []
        return profile + (["--configfile", BASE, *self.overlays] if self.overlays else [])

    @property
    def command(self) -> str:
        """The command as it is typed."""
        return f"make {self.target}" + (f' ARGS="{" ".join(self.arguments)}"' if self.arguments else "")

    @property
    def device(self) -> str:
        """`cuda`, `cpu`, or `plan` where no engine is needed; a published run's own device counts."""
        if not self.config["runs"]:
            return "plan"
        found = self.published.environment["device"] if self.published else self.config["device"]
        return "cuda" if found == "cuda" else "cpu"

    @property
    def minutes(self) -> int | None:
        """Minutes of all jobs of the published run, rounded up; None without one."""
        if self.published is None:
            return None
        return math.ceil(self.published.durations_s / 60)

    def disk_gb(self, sizes: Mapping[str, tuple[float, float]]) -> float:
        """GB of disk: the environment, by `sizes` of envs/bootstrap.py, and at most the weights of the models.

        The files of a model are at most as large as its weights in memory, which the published run has measured.
        """
        stored = {name for name, one in self.config["models"].items() if one["source"] not in BARE}
        table = self.published.table("memory") if self.published else None
        weights = 0.0
        if table is not None and len(table):
            rows = table[(table["part"] == "weights") & table["model"].isin(stored)]
            weights = float(rows.groupby("model")["bytes"].max().sum())
        return sizes[self.device][1] + weights / 1e9

    @property
    def order(self) -> tuple[bool, int, int, float]:
        """Sort key: what most readers can run first."""
        minutes = math.inf if self.minutes is None else self.minutes
        return (self.needs is not None, FLAVOURS.index(self.device), self.config["gpus"], minutes)


def read_runs(root: Path) -> dict[str, Run]:
    """The runs of docs/gallery/runs.yaml by name; UserError names a key or file that is wrong."""
    given = read_yaml(root / RUNS)
    return {name: _run(root, name, entry) for name, entry in given.items()}


def _run(root: Path, name: str, entry: Mapping[str, Any]) -> Run:
    check_keys(f"{RUNS}: {name}", entry, {"target": str}, OPTIONAL)
    check_list(f"{RUNS}: {name}: overlays", entry.get("overlays", []), str)
    overlays = tuple(entry.get("overlays", ()))
    for path in (*overlays, *([entry["profile"]] if "profile" in entry else [])):
        if not (root / path).exists():
            raise UserError(f"{RUNS}: {name}: {path}: no such file; name one relative to the project")
    folder = root / GALLERIES / name
    published = load(folder) if folder.is_dir() else None
    config = configuration(root, overlays)
    return Run(name, entry["target"], overlays, entry.get("profile"), entry.get("needs"), config, published)


def configuration(root: Path, overlays: tuple[str, ...]) -> dict[str, Any]:
    """config.yaml with overlays, checked and with its defaults; users' files may be missing."""
    from kvbench.config.overlays import read_layers
    from kvbench.config.settings import validate

    layers = read_layers(root / BASE, [root / path for path in overlays], ())
    return validate(layers.config, root / "schemas/config.schema.yaml", layers.origin, sources=False)
