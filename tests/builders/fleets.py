"""Scenarios on several replicas, and the records and tables of their replays."""

from __future__ import annotations

from typing import Any

import pandas as pd

from builders.scenarios import scenario
from kvbench.capacity.fleet import record
from kvbench.capacity.fleet_table import table
from kvbench.replay import Trace
from kvbench.replay.requests import trace_of

STEP = {"constant_s": 0.05, "per_sequence_s": 0.001, "per_token_s": 0.0001, "source": "a test"}
SLO = {"ttft_s": 0.5, "tpot_s": 0.2, "share": 0.9, "name": None}


def fleet_scenario(name: str = "x", **given: Any) -> dict[str, Any]:
    """A small scenario with arrivals that one replica cannot serve within SLO."""
    own = {"requests": 600, "requests_per_s": 60, "step_time": STEP, "policies": ["paged", "reserve-max"]}
    return scenario(name, **{**own, "fleet": {"at_most": 16}, **given})


def fleet_record(own: dict[str, Any], trace: Trace | None = None, name: str = "x") -> dict[str, Any]:
    """fleet.json of a scenario on its own requests or on `trace`."""
    return record(name, own, 0, SLO, trace_of(own, 0, f"replays.{name}") if trace is None else trace)


def fleet_table(*given: dict[str, Any]) -> pd.DataFrame:
    """fleets.csv of these records."""
    return table(given)
