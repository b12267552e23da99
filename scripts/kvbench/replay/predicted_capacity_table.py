"""results/serving/<model>/<workload>/predicted_capacity.csv: capacities at an SLO over patterns of arrivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kvbench.analysis.slo_capacity import Capacity
from kvbench.analysis.statistics import PARTS, known_columns
from kvbench.analysis.tables.slo import NUMERATOR
from kvbench.replay.predicted_capacity import PATTERNS, Predicted, paired

NAMES = ("model", "workload", "engine")


def columns() -> list[str]:
    """The columns of the table, also of one without rows."""
    return [
        *(*NAMES, "slo_ttft_s", "slo_tpot_s", "slo_share", "requests", "patterns", "known_patterns", "fit_points"),
        *(f"patterns_per_s_{part}" for part in PARTS),
        *("run_per_s_predicted", "run_per_s_measured", "run_per_s_relative_error"),
        *(f"vllm_ratio_{part}" for part in PARTS),
    ]


def table(predicted: Sequence[Predicted], slo: Mapping[str, Any], seed: int) -> pd.DataFrame:
    """A row per engine, with the columns of docs/tables.md. Ratios are `vllm` over the engine, pattern by pattern."""
    above = next((one.each for one in predicted if one.server.run.engine == NUMERATOR), None)
    rows = []
    for one in predicted:
        ratios = [] if above is None or one.server.run.engine == NUMERATOR else paired(above, one.each)
        rows.append(
            {
                **{name: one.server.run.names[name] for name in NAMES},
                **{f"slo_{name}": slo[name] for name in ("ttft_s", "tpot_s", "share")},
                "requests": len(one.server.long_trace),
                "patterns": PATTERNS,
                "known_patterns": sum(capacity is not None for capacity in one.each),
                "fit_points": len(one.server.served.usable),
                **known_columns("patterns_per_s", one.each, seed),
                **_beside(one.again, one.measured),
                **known_columns("vllm_ratio", ratios, seed),
            }
        )
    return pd.DataFrame(rows, columns=columns())


def _beside(again: Capacity | None, measured: Capacity | None) -> dict[str, float | None]:
    """Predicted and measured capacity at the rates and in the patterns that were run; empty where one is not known."""
    guess, live = again and again.per_s, measured and measured.per_s
    error = None if guess is None or live is None else guess / live - 1
    return {"run_per_s_predicted": guess, "run_per_s_measured": live, "run_per_s_relative_error": error}
