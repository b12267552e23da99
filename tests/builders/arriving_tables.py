"""The tables of a few engines at rates below and above what they serve, and what stands beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from builders.arriving_runs import SLO, write_arriving
from builders.tables import read_back
from kvbench.analysis.results import load_runs
from kvbench.analysis.tables import serving, slowest

PLACES = {"hf-batch": 3, "vllm-reserved": 8, "vllm": 14}
RATES = (0.5, 2, 8)
PAIR = {"model": "smollm2-135m", "workload": "mixed"}


def arriving_tables(root: Path, repeats: int = 6, requests: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """serving.csv and slowest_requests.csv as they are read, of the engines of PLACES at RATES."""
    paths = [
        write_arriving(root / "runs", engine, rate, places=places, repeats=repeats, requests=requests)
        for engine, places in PLACES.items()
        for rate in RATES
    ]
    runs = load_runs(paths)
    found = {"serving": serving.table(runs, SLO, 0), "slowest_requests": slowest.table(runs)}
    return tuple(read_back(root / f"{name}.csv", table) for name, table in found.items())


def predicted(engines: list[str]) -> pd.DataFrame:
    """Rows of predicted.csv: a latency that grows with the rate, saturated above 4 requests a second."""
    rows = [
        {
            **PAIR,
            "engine": engine,
            "requests_per_s": rate,
            "is_point": is_point,
            "saturated_predicted": rate > 4,
            "normalized_latency_mean_s_predicted": 0.05 * rate,
            "ttft_median_s_predicted": 0.1 * rate,
            "ttft_median_s_relative_error": 0.1 * rate - 0.4 if is_point and rate <= 4 else None,
            "tpot_median_s_predicted": 0.05,
            "completed_per_s_predicted": rate,
            "within_slo_share_predicted": 1 / rate,
        }
        for engine in engines
        for is_point, rates in ((True, RATES), (False, np.geomspace(1, 12, 6)))
        for rate in rates
    ]
    return pd.DataFrame(rows)


def capacity() -> pd.DataFrame:
    """Rows of slo_capacity.csv: of one engine between two rates, of another above the highest."""
    known = {
        "rates": 3,
        "n_repeats": 6,
        "n_processes": 1,
        **{f"slo_{name}": SLO[name] for name in ("ttft_s", "tpot_s", "share")},
    }
    rows = [
        {"engine": "vllm-reserved", "capacity_per_s": 3.0, "where": "between two rates", "highest_keeping_per_s": 2.0},
        {"engine": "vllm", "where": "above the highest rate", "highest_keeping_per_s": 8.0},
    ]
    rows[0] |= {"lowest_failing_per_s": 8.0, "repeats_per_s_median": 3.1}
    rows[0] |= {"repeats_per_s_ci95_low": 2.5, "repeats_per_s_ci95_high": 3.5}
    rows[0] |= {"repeats_per_s_min": 2.4, "repeats_per_s_max": 3.6}
    return pd.DataFrame([PAIR | known | row for row in rows])


def predicted_capacity() -> pd.DataFrame:
    """Rows of predicted_capacity.csv: an engine with a capacity in every pattern, and one beyond the rates in some."""
    limits = {f"slo_{name}": SLO[name] for name in ("ttft_s", "tpot_s", "share")}
    parts = ("median", "ci95_low", "ci95_high", "min", "max")
    rows = [
        {
            "engine": "vllm-reserved",
            "known_patterns": 24,
            **dict(zip((f"patterns_per_s_{part}" for part in parts), (3.2, 3.1, 3.3, 2.9, 3.9), strict=True)),
            **dict(zip((f"vllm_ratio_{part}" for part in parts), (1.9, 1.8, 2.1, 1.7, 2.2), strict=True)),
            "run_per_s_predicted": 3.3,
            "run_per_s_measured": 3.0,
            "run_per_s_relative_error": 0.1,
        },
        {"engine": "vllm", "known_patterns": 7},
    ]
    return pd.DataFrame([PAIR | limits | {"requests": 480, "patterns": 24, "fit_points": 2} | row for row in rows])


def ratios() -> pd.DataFrame:
    """A row of slo_ratios.csv."""
    interval = {"ratio": 1.8, "ratio_ci95_low": 1.6, "ratio_ci95_high": 2.0, "verdict": "above 1"}
    arms = {"numerator": "vllm", "denominator": "vllm-reserved", "numerator_per_s": 5.4, "denominator_per_s": 3.0}
    return pd.DataFrame([PAIR | arms | interval | {"n_repeats": 6}])
