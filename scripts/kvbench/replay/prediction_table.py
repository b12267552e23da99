"""results/serving/<model>/<workload>/predicted.csv: latencies at rates of arrival, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from kvbench.analysis.serving_summary import METRICS, Summary
from kvbench.files import read_table
from kvbench.replay.fit import QUANTILES, Fitted
from kvbench.replay.prediction import Prediction, Slo, predicted

NOTHING: Summary = dict.fromkeys(METRICS)


def table(
    predictions: Sequence[Prediction],
    workload: pa.Table | None,
    slo: Slo,
    progress: Callable[[int], Any] | None = None,
) -> pd.DataFrame:
    """A row per prediction of `prediction.plan`, with the columns of docs/tables.md.

    `slo` are the limits on TTFT and TPOT in seconds; `workload` is needed where requests share blocks.
    """
    rows = []
    for one in predictions:
        rows.append(_row(one, workload, slo))
        if progress:
            progress(1)
    return pd.DataFrame(rows, columns=columns())


def columns() -> list[str]:
    """The columns of the table, also of one without rows."""
    kinds = ("predicted", "measured", "relative_error")
    return [
        *("model", "workload", "engine", "requests_per_s", "is_point"),
        *fit_columns(0, None),
        *("saturated_predicted", "saturated_measured"),
        *(f"{name}_{kind}" for name in METRICS for kind in kinds),
    ]


def fit_columns(points: int, fitted: Fitted | None) -> dict[str, Any]:
    """The step time and how well it was fitted to `points` points; empty cells without one."""
    cost = fitted and fitted.step_time
    parts = [f"p{round(100 * q)}" for q in QUANTILES]
    unknown = (None,) * len(parts)
    return {
        "constant_s": cost and cost.constant_ns / 1e9,
        "per_sequence_s": cost and cost.per_sequence_ns / 1e9,
        "per_token_s": cost and cost.per_token_ns / 1e9,
        "prefill_s": cost and cost.prefill_ns / 1e9,
        "fit_points": points,
        "fit_steps": fitted and fitted.steps,
        "fit_stalls": fitted and fitted.stalls,
        "fit_r2": fitted and fitted.r2,
        **_named("relative_residual_{}", parts, fitted.relative if fitted else unknown),
        **_named("residual_{}_s", parts, fitted.absolute_s if fitted else unknown),
    }


def _named(form: str, parts: Sequence[str], values: Sequence[float | None]) -> dict[str, float | None]:
    return {form.format(part): value for part, value in zip(parts, values, strict=True)}


def _row(one: Prediction, workload: pa.Table | None, slo: Slo) -> dict[str, Any]:
    fitted = one.fitted
    found, grows = predicted(one, fitted.step_time, workload, slo) if fitted else (NOTHING, None)
    live = one.source.measured(slo) if one.is_point else NOTHING
    flags = {"saturated_predicted": grows, "saturated_measured": one.source.saturated if one.is_point else None}
    row = {
        **{name: one.source.run.names[name] for name in ("model", "workload", "engine")},
        "requests_per_s": one.per_s,
        "is_point": one.is_point,
        **fit_columns(one.fit_points, fitted),
        **flags,
    }
    for name in METRICS:
        row |= {f"{name}_predicted": found[name], f"{name}_measured": live[name]}
        row[f"{name}_relative_error"] = None if any(flags.values()) else _error(found[name], live[name])
    return row


def _error(found: float | None, live: float | None) -> float | None:
    return None if found is None or not live else found / live - 1


def together(paths: Iterable[str | Path]) -> pd.DataFrame:
    """The tables of several models and workloads in one; UserError if a file is missing or empty."""
    return pd.concat([read_table(path) for path in paths], ignore_index=True)
