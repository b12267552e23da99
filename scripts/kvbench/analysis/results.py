"""Loads finished runs and selects the repeats that a table or figure may use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kvbench.engines.names import ENGINES
from kvbench.errors import UserError
from kvbench.files import read_parquet, read_record
from kvbench.workload.rates import is_rate

if TYPE_CHECKING:
    import pandas as pd

SCOPES = ("all", "sequential")
NEEDED = ("device", "engine", "model", "point", "repeats", "settings", "workload")  # of run.json


class Place(NamedTuple):
    """Where a process ran: the ids of its host and of its GPUs; None where there is none or it is not recorded."""

    host: str | None
    gpu_ids: str | None


@dataclass(frozen=True)
class Run:
    """A run of one engine on one workload at one point: its run.json and the files beside it.

    A run in several processes has a folder for each: `folder` and `record` belong to the first process, `further` holds
    the others. Repeat numbers are unique only within a process.
    """

    folder: Path
    record: dict[str, Any]
    further: tuple[Run, ...] = ()

    @property
    def processes(self) -> tuple[Run, ...]:
        """Each process as a separate Run."""
        return (replace(self, further=()), *self.further) if self.further else (self,)

    @property
    def process(self) -> int:
        """Number, from 1, of the process to which `folder` and `record` belong."""
        return self.record.get("process", 1)

    @property
    def host(self) -> str | None:
        """The id of the host of the process to which `record` belongs; None in older records without it."""
        return (self.record.get("host") or {}).get("id")

    @property
    def gpu_ids(self) -> str | None:
        """The ids of that process's GPUs, with commas; None on a CPU, and in older records without them."""
        return ", ".join((self.record.get("host") or {}).get("gpu_ids") or []) or None

    @property
    def place(self) -> Place:
        """Where that process ran."""
        return Place(self.host, self.gpu_ids)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where each process ran."""
        return tuple(one.place for one in self.processes)

    @property
    def model(self) -> str:
        return self.record["model"]

    @property
    def engine(self) -> str:
        return self.record["engine"]

    @property
    def workload(self) -> str:
        return self.record["workload"]

    @property
    def point(self) -> str:
        return self.record["point"]

    @property
    def names(self) -> dict[str, str]:
        """The four names that identify a run, as the first columns of every table."""
        return {key: self.record[key] for key in ("model", "workload", "engine", "point")}

    @property
    def arrives(self) -> bool:
        """Whether the requests arrive over time, so that no throughput of the engine can be read from the run."""
        return is_rate(self.point)

    @property
    def schedules_ahead(self) -> bool:
        """Whether the engine schedules a step while the one before is computed (vLLM's asynchronous scheduling).

        A step is then computed from the start of the next one to the start of the one behind that.
        """
        return bool((self.record["settings"].get("in_force") or {}).get("async_scheduling"))

    @property
    def label(self) -> str:
        """The run's name in a figure: its engine and, if it is not `base`, its point."""
        return run_label(self.engine, self.point)

    @property
    def workload_digests(self) -> dict[str, str]:
        """Digest of the content of each scope's requests; empty in older records without it."""
        return (self.record.get("digests") or {}).get("workload") or {}

    @property
    def returns_by_batch(self) -> bool:
        """Whether requests are returned when their whole batch ends."""
        return any(batch["rows"] > 1 for batch in self.record.get("batches") or [])

    @property
    def temperature(self) -> float:
        """The sampling temperature that was asked for; 0 (greedy) if none was."""
        given = self.record["settings"].get("given") or {}
        found = (given.get("sampling") or {}).get("temperature", given.get("temperature"))
        return float(found or 0.0)

    def timed(self, scope: str | None = None) -> list[dict[str, Any]]:
        """run.json records of the timed repeats of all processes, in one scope or in both.

        Each has its `process`, its `place` and its `requests_digest`, which is None in older records without it.
        """
        return [
            {
                **repeat,
                "process": one.process,
                "place": one.place,
                "requests_digest": one.workload_digests.get(repeat["scope"]),
            }
            for one in self.processes
            for repeat in one.record["repeats"]
            if repeat["timed"] and scope in (None, repeat["scope"])
        ]

    def timed_numbers(self, scope: str | None = None) -> list[int]:
        """Numbers of the timed repeats within a process, in one scope or in both."""
        return list(dict.fromkeys(repeat["repeat"] for repeat in self.timed(scope)))

    @cached_property
    def requests(self) -> pd.DataFrame:
        """requests.parquet (`records.REQUESTS`) of all processes, plus `process`: a row per repeat and request."""
        return self.frame("requests")

    def timed_requests(self, scope: str) -> pd.DataFrame:
        """The rows of `requests` that belong to timed repeats of a scope."""
        return self.requests[self.requests["repeat"].isin(self.timed_numbers(scope))]

    def frame(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A Parquet file of the run by its stem, concatenated over all processes, with a column `process`."""
        import pandas as pd

        read = [(one, read_parquet(one.folder / f"{name}.parquet", columns)) for one in self.processes]
        return pd.concat([table.to_pandas().assign(process=one.process) for one, table in read], ignore_index=True)


def load_run(path: str | Path) -> Run:
    """Load a run from its folder or its run.json; UserError if that is missing, broken or incomplete."""
    path = Path(path)
    path = path / "run.json" if path.is_dir() else path
    return Run(path.parent, read_record(path, *NEEDED))


def load_runs(paths: Iterable[str | Path]) -> list[Run]:
    """Load runs in the order of tables and figures: model, workload, engine (`ENGINES`), point.

    The processes of a run are combined. Other files of a run (its Parquet files) are ignored. UserError if no path is
    a run.json, or if the processes of a run had different settings or requests.
    """
    paths = list(map(Path, paths))
    runs = [load_run(path) for path in paths if path.is_dir() or path.name == "run.json"]
    if not runs:
        raise UserError("no run.json among the inputs; name at least one entry under runs in config.yaml")
    runs.sort(key=lambda run: (run.model, run.workload, *engine_key(run.engine), point_key(run.point), run.process))
    return [_as_one(list(found)) for _, found in groupby(runs, key=lambda run: run.names)]


def _as_one(processes: list[Run]) -> Run:
    """Combine the processes of a run into one Run."""
    first, *further = processes
    for other in further:
        digests = [one.workload_digests for one in (first, other)]
        # A process that ran out of memory has no digests.
        if _given(other) != _given(first) or (all(digests) and digests[0] != digests[1]):
            problem = f"its settings or requests differ from those of {first.folder}"
            raise UserError(f"{other.folder}: {problem}; delete the folder and run again")
    return replace(first, further=tuple(further))


def _given(run: Run) -> dict[str, Any]:
    """The settings given to a run, without the process number."""
    return {key: value for key, value in (run.record["settings"].get("given") or {}).items() if key != "process"}


def processes_of(repeats: Sequence[dict[str, Any]]) -> list[int]:
    """The process of each repeat (`Run.timed`), in the form that kvbench.analysis.statistics expects."""
    return [repeat["process"] for repeat in repeats]


def run_label(engine: str, point: str) -> str:
    """A run's name in a figure: its engine and, if it is not `base`, its point."""
    return engine if point == "base" else f"{engine} ({point})"


def point_key(point: str) -> tuple[str, float, str]:
    """Sort key of a point: `base` first, then the points of a sweep by their numeric value."""
    name, _, value = point.partition("-")
    try:
        size = float(value)
    except ValueError:
        size = 0.0
    return ("" if point == "base" else name, size, value)


def engine_key(engine: str) -> tuple[int, str]:
    """Sort key of an engine: the order of ENGINES, then unknown engines by name."""
    return (ENGINES.index(engine) if engine in ENGINES else len(ENGINES), engine)


def rows_of_pair(table: pd.DataFrame, model: str, workload: str) -> pd.DataFrame:
    """A table's rows for a model and workload, sorted by engine, with a column `label`.

    A table without engines keeps its order.
    """
    rows = table[(table["model"] == model) & (table["workload"] == workload)]
    if "engine" in rows:
        points = rows["point"] if "point" in rows else ["base"] * len(rows)
        rows = rows.assign(label=[run_label(e, p) for e, p in zip(rows["engine"], points, strict=True)])
        rows = rows.sort_values("engine", key=lambda names: names.map(engine_key), kind="stable")
    return rows.reset_index(drop=True)
