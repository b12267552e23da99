"""Replay scenarios and the records and tables of their replays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from builders.configured import configured
from kvbench.files import read_json, write_csv, write_json
from kvbench.replay import Trace
from kvbench.replay.requests import trace_of
from kvbench.replay.scenario import outcomes, record
from kvbench.replay.table import rows_of, table

STEP = {"constant_s": 0.5, "per_token_s": 0.0, "source": "a test"}


def scenario(name: str = "x", **given: Any) -> dict[str, Any]:
    """A small scenario with the schema's defaults; a key set to None is omitted."""
    own = {"workload": "mixed", "requests": 400, "pool_slots": 1030, "max_length": 128, **given}
    own = {key: value for key, value in own.items() if value is not None}
    return configured(replays={name: own})["replays"][name]


def of_ids(folder: Path, prompts: list[list[int]], **given: Any) -> dict[str, Any]:
    """A scenario that reads a file of prompts given as token ids, with 4 output tokens each."""
    file = folder / "ids.jsonl"
    file.write_text("".join(json.dumps({"prompt_token_ids": ids, "output_tokens": 4}) + "\n" for ids in prompts))
    wanted = {"workload": None, "requests": None, "prefix_sharing": True, "policies": ["paged"], "block_size": 4}
    return scenario(file=str(file), **wanted | given)


def replayed(own: dict[str, Any], trace: Trace | None = None, name: str = "x") -> dict[str, Any]:
    """Replay a scenario on its own requests or on `trace` and return the record."""
    trace = trace_of(own, 0, f"replays.{name}") if trace is None else trace
    return record(name, own, 0, trace, list(outcomes(own, trace)))


def write_replays(folder: Path, found: dict[str, Any]) -> Path:
    """Write a scenario's record to replays.csv and return its path."""
    write_csv(folder / "replays.csv", table([found]))
    return folder / "replays.csv"


def ran(folder: Path, **given: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    """Replay a scenario and return its record and table rows, both read back from their files."""
    write_json(folder / "replay.json", replayed(scenario(**given)))
    found = read_json(folder / "replay.json")
    return found, rows_of(write_replays(folder, found), "x")
