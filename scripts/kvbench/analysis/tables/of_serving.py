"""The tables of runs whose requests arrive over time, written by the rule summarise_serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run
from kvbench.analysis.tables import serving, slo, slowest


def tables(runs: Sequence[Run], limits: Mapping[str, Any], seed: int) -> dict[str, pd.DataFrame]:
    """Each table by the name of its file; without runs, its columns alone.

    `limits` has `ttft_s`, `tpot_s` and `share` of the SLO; `seed` is for the bootstrap.
    """
    tables = {"serving": serving.table(runs, limits, seed), "slowest_requests": slowest.table(runs)}
    return tables | slo.tables(runs, limits, seed)
