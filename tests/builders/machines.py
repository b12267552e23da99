"""Folders of finished runs that hold only what machines are compared by: tables, settings, facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.analysis.statistics import PARTS
from kvbench.files import write_csv, write_json

NAMES = {"model": "m", "workload": "mixed", "point": "base", "scope": "all"}
PROMPT, OUTPUT = 120, 60


def write_machine(
    folder: Path,
    speeds: dict[str, tuple[float | None, ...]],
    *,
    verdicts: dict[str, str] | None = None,
    requests: int = 6,
    config: str = "seed: 0\n",
    packages: dict[str, Any] | None = None,
) -> Path:
    """Write a gallery: `speeds` gives each engine's median, interval and range, `verdicts` each claim's verdict.

    The live share of each engine is a thousandth of its speed, its ratio that over the first engine.
    """
    middles = {engine: own[0] for engine, own in speeds.items()}
    first = next(iter(speeds))
    counts = {"requests": requests, "prompt_tokens": PROMPT, "output_tokens": OUTPUT}
    columns = [f"output_tokens_per_s_{part}" for part in PARTS]
    tables = {
        "throughput": [{**NAMES, "engine": e, **dict(zip(columns, own, strict=True))} for e, own in speeds.items()],
        "repeats": [{**NAMES, "engine": engine, **counts} for engine in speeds],
        "kv_waste": [{**NAMES, "engine": e, "live_share_of_allocated": own / 1000} for e, own in middles.items()],
        "ratios": [
            {**NAMES, "numerator": engine, "denominator": first, "ratio": own / middles[first]}
            | {"ratio_ci95_low": None, "ratio_ci95_high": None, "denominator_point": None}
            for engine, own in middles.items()
            if engine != first
        ],
        "claims": [
            {**{key: NAMES[key] for key in ("model", "workload")}, "id": name, "verdict": verdict, "value": 1.5}
            | {"value_ci95_low": 1.4, "value_ci95_high": 1.6, "value_min": 1.3, "value_max": 1.7}
            for name, verdict in (verdicts or {}).items()
        ],
    }
    for name, rows in tables.items():
        if rows:
            write_csv(folder / f"tables/{name}.csv", pd.DataFrame(rows))
    write_json(
        folder / "environment.json", {"device": "cpu", "cpu": {"model": folder.name}, "packages": packages or {}}
    )
    (folder / "config.yaml").write_text(config)
    return folder
