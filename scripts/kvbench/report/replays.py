"""The report's section on replays: figures and numbers of each scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kvbench.replay.describe import setting, windows
from kvbench.replay.table import REGION
from kvbench.report.cells import number
from kvbench.report.fleets import limits, needed
from kvbench.report.fleets import view as fleets_view
from kvbench.report.html import Figure, figure

FOLDER = "replays"


@dataclass(frozen=True)
class Fleets:
    """A scenario on several replicas: the limits, the fewest replicas within them, and all fleets, as text."""

    limits: str
    needed: pd.DataFrame
    table: pd.DataFrame


@dataclass(frozen=True)
class Section:
    """One scenario: its settings, the steps over which means are taken, figures, and replays.csv as text."""

    name: str
    setting: str
    windows: str
    figures: list[Figure]
    table: pd.DataFrame
    fleets: Fleets | None


def sections(table: pd.DataFrame, figures: Sequence[Path], fleets: pd.DataFrame | None = None) -> list[Section]:
    """One section per scenario of replays.csv; `figures` may include others than .../replays/<scenario>/<name>.*.

    `fleets` is fleets.csv, if a scenario was replayed on several replicas.
    """
    return [_section(str(name), rows, figures, fleets) for name, rows in table.groupby("scenario", sort=False)]


def _section(name: str, rows: pd.DataFrame, figures: Sequence[Path], fleets: pd.DataFrame | None) -> Section:
    own = [figure(path) for path in figures if path.parts[-3:-1] == (FOLDER, name)]
    return Section(name, setting(rows), windows(rows), own, view(rows), _fleets(name, fleets))


def _fleets(name: str, fleets: pd.DataFrame | None) -> Fleets | None:
    if fleets is None or (own := fleets[fleets["scenario"] == name]).empty:
        return None
    return Fleets(limits(own), needed(own), fleets_view(own))


def view(rows: pd.DataFrame) -> pd.DataFrame:
    """Cells as text, shares in percent; columns without any value are left out."""
    shown = pd.DataFrame(
        {
            "policy": rows["policy"],
            "requests at once": rows["running_mean_requests"],
            "at most": rows["running_peak_requests"],
            **{f"{name} (%)": 100 * rows[f"{name}_share_of_region"] for name in REGION},
            "live of allocated (%)": 100 * rows["live_share_of_allocated"],
            "one at a time: live of allocated (%)": 100 * rows["alone_live_share_of_allocated"],
            "steps with a refusal (%)": 100 * rows["refused_steps_share"],
            "idle (% of pool)": 100 * rows["idle_share_of_pool"],
            "all steps": rows["steps"],
            "preemptions": rows["preemptions"],
            "found again by sharing (tokens)": rows.get("prefix_hit_tokens"),
            "simulated (s)": rows["simulated_s"],
        }
    )
    return shown.dropna(axis="columns", how="all").astype(object).map(number)
