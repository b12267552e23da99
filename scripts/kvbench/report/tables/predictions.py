"""The replay's predictions at the rates that were run with their step times, and capacities over more arrivals."""

from __future__ import annotations

import pandas as pd

from kvbench.analysis.statistics import PARTS
from kvbench.figures.data.rates import is_true
from kvbench.report.cells import NONE, number, spans, text, text_column

PERCENT = 100


def predictions_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row per engine and rate that was run; the step time is fitted to the engine's other rates. Costs in ms."""
    table = table[is_true(table["is_point"])]
    return text(
        pd.DataFrame(
            {
                "engine": table["engine"],
                "arrive (requests/s)": table["requests_per_s"],
                "a step (ms)": 1e3 * table["constant_s"],
                "a sequence (ms)": 1e3 * table["per_sequence_s"],
                "a token (ms)": 1e3 * table["per_token_s"],
                "more with a prompt (ms)": 1e3 * table["prefill_s"],
                "steps fitted": table["fit_steps"],
                "residual: p10, p50, p90 (%)": _residuals(table),
                "normalized latency: predicted (s/token)": table["normalized_latency_mean_s_predicted"],
                "measured": table["normalized_latency_mean_s_measured"],
                "error (%)": PERCENT * table["normalized_latency_mean_s_relative_error"],
                "TTFT: error (%)": PERCENT * table["ttft_median_s_relative_error"],
                "TPOT: error (%)": PERCENT * table["tpot_median_s_relative_error"],
            }
        )
    )


def predicted_capacity_view(table: pd.DataFrame) -> pd.DataFrame:
    """A row per engine: its capacity over the patterns, `vllm` over it, and the error at what was run."""
    return text(
        pd.DataFrame(
            {
                "engine": table["engine"],
                "capacity (requests/s)": _over_patterns(table, "patterns_per_s"),
                "patterns with one": text_column(table["known_patterns"].map(number))
                + " of "
                + table["patterns"].map(number),
                "vllm / engine": _over_patterns(table, "vllm_ratio"),
                "for what was run": table["run_per_s_predicted"],
                "measured": table["run_per_s_measured"],
                "error (%)": PERCENT * table["run_per_s_relative_error"],
            }
        )
    )


def _over_patterns(table: pd.DataFrame, name: str) -> pd.Series:
    return spans(table, *(f"{name}_{part}" for part in PARTS))


def _residuals(table: pd.DataFrame) -> pd.Series:
    """The quantiles of a step's residual, as percent of its time."""
    columns = [PERCENT * table[f"relative_residual_{part}"] for part in ("p10", "p50", "p90")]
    rows = [NONE if pd.isna(row[0]) else ", ".join(map(number, row)) for row in zip(*columns, strict=True)]
    return text_column(pd.Series(rows, table.index))
