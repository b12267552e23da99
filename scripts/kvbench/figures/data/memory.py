"""What the figures draw, read from runs and tables: the only place under figures/ that opens files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from kvbench.analysis.results import SCOPES, Run, engine_key, processes_of, read_batches, read_table, run_label
from kvbench.analysis.tables.latency import samples
from kvbench.analysis.tables.sharing import POINTS
from kvbench.analysis.tables.throughput import disturbances, rates
from kvbench.errors import UserError
from kvbench.files import read_parquet
from kvbench.records import SPLIT
from kvbench.workload.table import lengths_of

MIB = 2**20
MAX_POINTS = 600


@dataclass(frozen=True)
class Phase:
    """A named stretch of a run, in seconds from the process's first sample."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class MemoryTrace:
    """One process's memory over time, in MiB over seconds from the first sample.

    `device_s`, `process`, `device_used` have one value a sample; `cache_s` and `split` one a step of the whole run;
    `zoom_s` and `zoom` one a step of `repeat`, from its start. `zoom` also has `pool`.
    """

    label: str
    engine: str
    source: str
    device_s: np.ndarray
    process: np.ndarray
    device_used: np.ndarray
    phases: tuple[Phase, ...]
    cache_s: np.ndarray
    pool: np.ndarray
    repeat: int
    repeats: int
    processes: int
    requests: int
    zoom_s: np.ndarray
    zoom: dict[str, np.ndarray]
    by_gpu: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # seconds, MiB; of several GPUs


def memory_trace(run: Run) -> MemoryTrace:
    """Read device.parquet and kv.parquet of a run's first process.

    Long series are thinned to MAX_POINTS, keeping every peak.
    """
    processes, run = len(run.processes), run.processes[0]
    device = _device(run)
    origin = int(device["t_ns"].iloc[0])
    repeats = run.timed("all") or run.timed()
    if not repeats:
        raise UserError(f"{run.folder / 'run.json'}: no timed repeat; set repeats in config.yaml to 1 or more")
    repeat = repeats[0]
    steps = _kv(run, ["t_ns", "pool"])
    zoom = _kv(run, ["t_ns", "pool", *SPLIT], repeat["repeat"])
    end_s = repeat["wall_s"]
    scale = run.record["slot_bytes"] / MIB
    return MemoryTrace(
        label=run.label,
        engine=run.engine,
        source="RSS" if run.record["device"] == "cpu" else "NVML",
        device_s=((device["t_ns"] - origin) / 1e9).to_numpy(),
        process=(device["process"] / MIB).to_numpy(),
        device_used=(device["used"] / MIB).to_numpy(),
        phases=_phases(run, origin),
        cache_s=(steps["t_ns"] - origin) / 1e9,
        pool=steps["pool"] * scale,
        repeat=repeat["repeat"],
        repeats=len(repeats),
        processes=processes,
        requests=repeat["requests"],
        zoom_s=np.append((zoom["t_ns"] - repeat["start_ns"]) / 1e9, [end_s] * bool(len(zoom["t_ns"]))),
        zoom={name: np.append(zoom[name], zoom[name][-1:]) * scale for name in ("pool", *SPLIT)},
        by_gpu=_by_gpu(run, origin),
    )


def _by_gpu(run: Run, origin: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """What the run's processes hold on each GPU, where it has several."""
    frame = read_parquet(run.folder / "device.parquet", ["t_ns", "gpu", "process_bytes"]).to_pandas()
    groups = dict(list(frame.dropna().groupby("gpu")))
    return {int(gpu): _thinned(rows, origin) for gpu, rows in groups.items()} if len(groups) > 1 else {}


def _thinned(rows: pd.DataFrame, origin: int) -> tuple[np.ndarray, np.ndarray]:
    t_ns, held = rows["t_ns"].to_numpy(), rows["process_bytes"].to_numpy()
    kept = thin(held)
    return (t_ns[kept] - origin) / 1e9, held[kept] / MIB


def _device(run: Run) -> pd.DataFrame:
    """Columns t_ns, process and used in bytes; several GPUs are summed, the host's rows serve where there is none."""
    frame = read_parquet(run.folder / "device.parquet").to_pandas()
    if frame.empty:
        raise UserError(f"{run.folder / 'device.parquet'}: no samples; delete the folder and run again")
    gpu = frame[frame["gpu"].notna()]
    on_gpu = run.record["device"] != "cpu" and len(gpu)
    rows, process = (gpu, "process_bytes") if on_gpu else (frame, "host_rss_bytes")
    groups = rows.groupby("t_ns", sort=True)
    total = (lambda name: groups[name].sum(min_count=1)) if on_gpu else (lambda name: groups[name].max())
    found = pd.DataFrame({"process": total(process), "used": total("device_used_bytes")}).reset_index()
    return found.iloc[thin(found["process"].fillna(0).to_numpy())]


def _kv(run: Run, columns: list[str], repeat: int | None = None) -> dict[str, np.ndarray]:
    """Columns of kv.parquet, of one repeat or of all, thinned to MAX_POINTS."""
    parts: list[dict[str, np.ndarray]] = []
    for batch in read_batches(run.folder / "kv.parquet", [*columns, "repeat"]):
        rows = batch if repeat is None else batch.filter(pc.equal(batch["repeat"], repeat))
        if rows.num_rows:
            parts.append({name: rows[name].to_numpy() for name in columns})
    whole = {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in columns}
    kept = thin(whole["pool"])
    return {name: values[kept] for name, values in whole.items()}


def thin(values: np.ndarray, points: int = MAX_POINTS) -> np.ndarray:
    """Indices of at most about `points` values: the first and the largest of each of equal stretches, and the last."""
    if len(values) <= points:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), points // 2 + 1).astype(int)[:-1]
    ends = np.append(edges[1:], len(values))
    peaks = [begin + int(np.argmax(values[begin:end])) for begin, end in zip(edges, ends, strict=True)]
    return np.unique([*edges, *peaks, len(values) - 1])


def _phases(run: Run, origin: int) -> tuple[Phase, ...]:
    """Phases in seconds; the batches of a repeat (`repeat-3/batch-0`) are one phase with it."""
    merged: dict[str, Phase] = {}
    for one in run.record["phases"]:
        name, start, end = one["name"].split("/")[0], (one["start_ns"] - origin) / 1e9, (one["end_ns"] - origin) / 1e9
        start = merged[name].start_s if name in merged else max(start, 0)
        merged[name] = Phase(name, start, end)
    return tuple(merged.values())


@dataclass(frozen=True)
class BlockTrace:
    """Blocks over the first timed repeat of a run, a value a step; `unshared` is what its requests would hold alone."""

    engine: str
    requests: int
    pool: int
    t_s: np.ndarray
    in_use: np.ndarray
    unshared: np.ndarray


def block_traces(runs: Sequence[Run], engines: Sequence[str]) -> list[tuple[BlockTrace, BlockTrace]]:
    """Traces with and without sharing of each engine; UserError where one of the two was not run."""
    found = {(run.engine, run.point): run for run in runs}
    return [
        (_blocks(found[engine, POINTS["shared"]]), _blocks(found[engine, POINTS["unshared"]])) for engine in engines
    ]


def _blocks(run: Run) -> BlockTrace:
    repeat = (run.timed("all") or run.timed())[0]
    steps = _kv(run, ["t_ns", "pool", "allocated", "unshared"], repeat["repeat"])
    size = run.record["block_size"]
    return BlockTrace(
        run.engine,
        repeat["requests"],
        run.record["capacity"]["blocks"],
        (steps["t_ns"] - repeat["start_ns"]) / 1e9,
        steps["allocated"] / size,
        steps["unshared"] / size,
    )


@dataclass(frozen=True)
class Speed:
    """One run's output tokens per second in a scope: its repeats, process by process, and throughput.csv's summary."""

    label: str
    engine: str
    requests: int
    repeats: tuple[float, ...]
    disturbed: tuple[bool, ...]
    processes: int
    median: float
    low: float | None
    high: float | None


def speeds(runs: Sequence[Run], table: pd.DataFrame) -> dict[str, list[Speed]]:
    """Speeds by scope, in the order of the runs; UserError where throughput.csv lacks a run."""
    found: dict[str, list[Speed]] = {}
    for run in runs:
        for scope in SCOPES:
            if repeats := run.timed(scope):
                row = row_of(table, "throughput.csv", **run.names, scope=scope)
                found.setdefault(scope, []).append(_speed(run, scope, repeats, row))
    return {scope: found[scope] for scope in SCOPES if scope in found}


def _speed(run: Run, scope: str, repeats: Sequence[dict[str, Any]], row: pd.Series) -> Speed:
    low, high = (_known(row[f"output_tokens_per_s_ci95_{end}"]) for end in ("low", "high"))
    values = tuple(rates(r)["output_tokens_per_s"] for r in repeats)
    count, median = len(set(processes_of(repeats))), row["output_tokens_per_s_median"]
    flags = tuple(map(bool, disturbances(run, scope)))
    return Speed(run.label, run.engine, repeats[0]["requests"], values, flags, count, median, low, high)


@dataclass(frozen=True)
class Latency:
    """One run's latency samples in seconds, by metric: a value per request and timed repeat."""

    label: str
    engine: str
    requests: int
    repeats: int
    by_batch: bool
    samples: dict[str, np.ndarray]


def latencies(runs: Sequence[Run], metrics: Sequence[str]) -> list[Latency]:
    """Samples of scope `all`; of `sequential` for engines that serve only the subset."""
    found = []
    for run in (run for run in runs if run.timed()):
        scope = "all" if run.timed("all") else "sequential"
        measured = samples(run.timed_requests(scope))
        values = {metric: measured[metric].dropna().to_numpy() for metric in metrics}
        found.append(
            Latency(
                run.label,
                run.engine,
                measured["request_id"].nunique(),
                len(run.timed(scope)),
                run.returns_by_batch,
                values,
            )
        )
    return found


def rows_of(path: str | Path, model: str, workload: str) -> pd.DataFrame:
    """Rows of a table of results/tables for one model and workload, engines in their order, with a `label`.

    A table without engines keeps its order. Raises UserError where the file is missing.
    """
    frame = read_table(path)
    frame = frame[(frame["model"] == model) & (frame["workload"] == workload)]
    if "engine" not in frame:
        return frame.reset_index(drop=True)
    points = frame["point"] if "point" in frame else ["base"] * len(frame)
    labels = [run_label(engine, point) for engine, point in zip(frame["engine"], points, strict=True)]
    frame = frame.assign(label=labels).sort_values("engine", key=lambda names: names.map(engine_key), kind="stable")
    return frame.reset_index(drop=True)


def lengths(path: str | Path) -> dict[str, np.ndarray]:
    """Tokens of each request's prompt, output and both together, from a workload file."""
    prompt, output = lengths_of(read_parquet(path))
    return {"prompt": prompt, "output": output, "prompt + output": prompt + output}


def row_of(table: pd.DataFrame, name: str, **wanted: str) -> pd.Series:
    """The one row of a table with these values; UserError naming the table where there is none."""
    found = table[np.logical_and.reduce([table[key] == value for key, value in wanted.items()])]
    if found.empty:
        raise UserError(f"results/tables/{name}: no row for {', '.join(wanted.values())}; delete it and run again")
    return found.iloc[0]


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
