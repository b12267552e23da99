"""Runs whose requests arrive over time, written as the pipeline writes them: a server of known capacity."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from builders.runs import write_run
from builders.simulated_requests import make_requests
from kvbench.files import write_json, write_parquet
from kvbench.records import REQUESTS, TIME_PARTS
from kvbench.workload.arrivals import due_s
from kvbench.workload.rates import rate_point

SLO = {"ttft_s": 2.0, "tpot_s": 0.2, "share": 0.9, "name": "mlperf-llama2-70b-server"}
TOKEN_S = 0.05


def write_arriving(root: Path, engine: str, per_s: float, *, places: int = 4, requests: int = 40, **given) -> Path:
    """Write a run at a rate, on an engine that serves `places` requests at once at TOKEN_S a token; return run.json.

    Requests are first come, first served. Further keywords are those of `write_run`.
    """
    made = make_requests(requests)
    path = write_run(root, engine, point=rate_point(per_s), requests=made, **given)
    record = json.loads(path.read_text())
    record["settings"]["given"] |= {"requests_per_s": per_s, "burstiness": 1.0}
    write_json(path, record)
    rows = pd.read_parquet(path.parent / "requests.parquet")
    repeats = [
        _served(own.reset_index(drop=True), per_s, int(number), places) for number, own in rows.groupby("repeat")
    ]
    table = pa.Table.from_pandas(pd.concat(repeats), schema=REQUESTS, preserve_index=False)
    write_parquet(path.parent / "requests.parquet", table)
    return path


def _served(rows: pd.DataFrame, per_s: float, repeat: int, places: int) -> pd.DataFrame:
    """The rows of a repeat with the times of a server of `places` places; repeat 0, the warm-up, has no arrivals."""
    if repeat == 0:
        return rows
    due = due_s(len(rows), per_s, 0, repeat)
    free, start = np.zeros(places), np.empty(len(rows))
    for number, tokens in enumerate(rows["output_tokens"]):
        place = free.argmin()
        start[number] = max(due[number] + 0.001, free[place])
        free[place] = start[number] + TOKEN_S * tokens
    tokens = [s + TOKEN_S * (1 + np.arange(n, dtype=float)) for s, n in zip(start, rows["output_tokens"], strict=True)]
    finish = np.array([own[-1] for own in tokens])
    spent = {name: np.zeros(len(rows), np.int64) for name in TIME_PARTS}
    for name, seconds in (
        ("entering_ns", 0.001),
        ("memory_wait_ns", start - due - 0.001),
        ("prefill_ns", TOKEN_S),
        ("decode_ns", finish - start - TOKEN_S),
    ):
        spent[name] = np.rint(seconds * np.full(len(rows), 1e9)).astype(np.int64)
    return rows.assign(
        due_s=due,
        submitted_s=due + 0.0005,
        received_s=due + 0.001,
        start_s=start,
        first_token_s=start + TOKEN_S,
        finish_s=finish,
        token_s=tokens,
        **spent,
    )
