"""What a chart is drawn from: the tables, runs and files of one model and workload, or of one replayed scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kvbench.analysis.results import Run, rows_of_pair
from kvbench.figures.data.rates import without_lower_rates
from kvbench.files import read_parquet, read_table


@dataclass(frozen=True)
class Source:
    """Inputs of the report, and the folder of a figure: (model, workload) or (`replays`, scenario).

    `tables` are by name, `files` are results/sweeps/<model>/<workload>/<sweep>.csv and
    results/replays/<scenario>/series.parquet.
    """

    tables: Mapping[str, pd.DataFrame]
    all_runs: Sequence[Run]
    files: Sequence[Path]
    folder: tuple[str, str]

    @property
    def runs(self) -> list[Run]:
        """The runs of the model and workload at all points, but of an engine's rates of arrival only the highest."""
        own = [run for run in self.all_runs if (run.model, run.workload) == self.folder]
        names = pd.DataFrame([(run.engine, run.point) for run in own], columns=["engine", "point"])
        return [own[place] for place in without_lower_rates(names).index]

    def rows(self, name: str) -> pd.DataFrame:
        """The rows of a table, as the figure gets them."""
        return rows_of_pair(self.tables[name], *self.folder)

    def swept(self, key: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows of sweeps.csv of one swept key, and its replays; the latter without columns if there is no file."""
        rows = self.rows("sweeps")
        file = self._file(f"{key}.csv")
        return rows[rows["sweep"] == key], pd.DataFrame() if file is None else read_table(file)

    def series(self) -> pd.DataFrame:
        """series.parquet of the scenario: a row per policy and bin, sums over the bin's steps; empty without a file."""
        file = self._file("series.parquet")
        return pd.DataFrame() if file is None else read_parquet(file).to_pandas()

    def _file(self, name: str) -> Path | None:
        return next((one for one in self.files if one.parts[-3:] == (*self.folder, name)), None)
