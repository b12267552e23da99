"""Scenarios of the configuration, and what their replay leaves behind."""

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
    """A small scenario as the schema completes it; a key given as None is left out."""
    own = {"workload": "mixed", "requests": 400, "pool_slots": 1030, "max_length": 128, **given}
    own = {key: value for key, value in own.items() if value is not None}
    return configured(replays={name: own})["replays"][name]


def of_ids(folder: Path, prompts: list[list[int]], **given: Any) -> dict[str, Any]:
    """A scenario of a file with these token ids, 4 tokens generated for each."""
    file = folder / "ids.jsonl"
    file.write_text("".join(json.dumps({"prompt_token_ids": ids, "output_tokens": 4}) + "\n" for ids in prompts))
    wanted = {"workload": None, "requests": None, "prefix_sharing": True, "policies": ["paged"], "block_size": 4}
    return scenario(file=str(file), **wanted | given)


def replayed(own: dict[str, Any], trace: Trace | None = None, name: str = "x") -> dict[str, Any]:
    """The record of a scenario, of its own requests or of these."""
    trace = trace_of(own, 0, f"replays.{name}") if trace is None else trace
    return record(name, own, 0, trace, list(outcomes(own, trace)))


def write_replays(folder: Path, found: dict[str, Any]) -> Path:
    """replays.csv of a scenario's record."""
    write_csv(folder / "replays.csv", table([found]))
    return folder / "replays.csv"


def ran(folder: Path, **given: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    """The record and the rows of a scenario, both through their files."""
    write_json(folder / "replay.json", replayed(scenario(**given)))
    found = read_json(folder / "replay.json")
    return found, rows_of(write_replays(folder, found), "x")
