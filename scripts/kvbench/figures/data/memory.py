"""One run's memory over time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from kvbench.analysis.results import Run
from kvbench.errors import UserError
from kvbench.figures.data.steps import steps_of, thin
from kvbench.files import read_parquet
from kvbench.records import SPLIT

MIB = 2**20


@dataclass(frozen=True)
class Phase:
    """A named phase of a run, in seconds from the process's first sample."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class MemoryTrace:
    """One process's memory over time, in MiB over seconds from the first sample.

    `device_s`, `process`, `device_used` have one value per sample; `cache_s` and `split` one per step of the whole run;
    `zoom_s` and `zoom` one per step of `repeat`, from its start. `zoom` also has `pool`.
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
    by_gpu: dict[int, tuple[np.ndarray, np.ndarray]] = field(
        default_factory=dict
    )  # seconds, MiB; only with several GPUs


def memory_trace(run: Run) -> MemoryTrace:
    """Read device.parquet and kv.parquet of a run's first process.

    Long series are thinned, keeping every peak.
    """
    processes, run = len(run.processes), run.processes[0]
    device = _device(run)
    origin = int(device["t_ns"].iloc[0])
    repeats = run.timed("all") or run.timed()
    if not repeats:
        raise UserError(f"{run.folder / 'run.json'}: no timed repeat; set repeats in config.yaml to 1 or more")
    repeat = repeats[0]
    steps = steps_of(run, ["t_ns", "pool"])
    zoom = steps_of(run, ["t_ns", "pool", *SPLIT], repeat["repeat"])
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
    """Memory of the run's processes on each GPU; empty unless there are several."""
    frame = read_parquet(run.folder / "device.parquet", ["t_ns", "gpu", "process_bytes"]).to_pandas()
    groups = dict(list(frame.dropna().groupby("gpu")))
    return {int(gpu): _thinned(rows, origin) for gpu, rows in groups.items()} if len(groups) > 1 else {}


def _thinned(rows: pd.DataFrame, origin: int) -> tuple[np.ndarray, np.ndarray]:
    t_ns, held = rows["t_ns"].to_numpy(), rows["process_bytes"].to_numpy()
    kept = thin(held)
    return (t_ns[kept] - origin) / 1e9, held[kept] / MIB


def _device(run: Run) -> pd.DataFrame:
    """Columns t_ns, process and used in bytes, summed over GPUs; from the host's rows if there is no GPU."""
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


def _phases(run: Run, origin: int) -> tuple[Phase, ...]:
    """Phases in seconds; the batches of a repeat (`repeat-3/batch-0`) are merged into one phase."""
    merged: dict[str, Phase] = {}
    for one in run.record["phases"]:
        name, start, end = one["name"].split("/")[0], (one["start_ns"] - origin) / 1e9, (one["end_ns"] - origin) / 1e9
        start = merged[name].start_s if name in merged else max(start, 0)
        merged[name] = Phase(name, start, end)
    return tuple(merged.values())
