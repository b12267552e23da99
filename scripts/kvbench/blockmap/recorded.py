"""The pass of a run that a map shows: what was recorded in it, with requests by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kvbench.blockmap.kinds import Kind, check_kinds, has_kinds, kinds_of
from kvbench.files import parquet_columns, read_parquet, read_record
from kvbench.kv.groups import LayerGroup
from kvbench.records import PLAIN_SPLIT, SPLIT
from kvbench.workload.rates import is_rate
from kvbench.workload.read import Request

COUNTS = ("running", "waiting")
KV = ("t_ns", *COUNTS, "allocated", *SPLIT)


@dataclass(frozen=True)
class Recorded:
    """One pass of a run. `requests` are all of the workload; the pass serves the first `served` of them."""

    record: dict[str, Any]
    repeat: dict[str, Any]
    kv: dict[str, NDArray[np.int64]]  # the columns KV, a value a step
    requests: Sequence[Request]
    folder: Path
    kinds: Sequence[Kind] = ()  # of layers; none for a model whose layers all keep every token alike

    @property
    def groups(self) -> tuple[LayerGroup, ...]:
        """The KV groups of the model; none in the record of a run before there were any."""
        return tuple(LayerGroup.of(group) for group in self.record.get("groups", ()))

    @property
    def engine(self) -> str:
        return self.record["engine"]

    @property
    def arrives(self) -> bool:
        """Whether requests arrive over time."""
        return is_rate(self.record.get("point", ""))

    @property
    def steps(self) -> int:
        return len(self.kv["t_ns"])

    @property
    def served(self) -> int:
        return self.repeat["requests"]

    @property
    def final(self) -> list[int]:
        """Tokens in the cache when a request ends, of each request."""
        return [request.final_kv_tokens for request in self.requests]

    def rows(self, name: str, columns: Sequence[str]) -> pa.Table:
        """Some columns of a Parquet file of the run, the rows of this pass; without columns that the file lacks."""
        file = self.folder / f"{name}.parquet"
        table = read_parquet(file, ["repeat", *_known(file, columns)])
        return table.filter(pc.equal(table["repeat"], self.repeat["repeat"])).drop_columns("repeat")

    def numbers(self, request_ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """The number of each request in the workload."""
        known = {request.request_id: number for number, request in enumerate(self.requests)}
        coded = pc.dictionary_encode(request_ids).combine_chunks()
        places = np.array([known[name] for name in coded.dictionary.to_pylist()], np.int64)
        return places[coded.indices.to_numpy()] if len(coded) else np.zeros(0, np.int64)


def recorded(record_file: str | Path, requests: Sequence[Request], *, reads_blocks: bool) -> Recorded | None:
    """The untimed pass that read block ids, or the first timed repeat of the most requests; None if there is none."""
    record = read_record(record_file)
    if reads_blocks:
        found = [repeat for repeat in record["repeats"] if repeat["phase"] == "blocks"]
    else:
        found = sorted((r for r in record["repeats"] if r["timed"]), key=lambda r: (-r["requests"], r["repeat"]))
    if not found:
        return None
    folder = Path(record_file).parent
    file = folder / "kv.parquet"
    table = read_parquet(file, ["repeat", *_known(file, (*KV, "groups"))])
    table = table.filter(pc.equal(table["repeat"], found[0]["repeat"]))
    none = np.zeros(len(table), np.int64)
    kv = {name: table[name].to_numpy().astype(np.int64) if name in table.column_names else none for name in KV}
    run = Recorded(record, found[0], kv, requests, folder)
    if not has_kinds(run.groups):
        return run
    by_kind = table["groups"].combine_chunks() if "groups" in table.column_names else None
    kinds = kinds_of(run.groups, by_kind)
    check_kinds(kinds, kv)
    return replace(run, kinds=kinds)


def _known(file: Path, columns: Sequence[str]) -> list[str]:
    """Those of the columns that a file has: runs of earlier versions have fewer."""
    names = parquet_columns(file)
    return [name for name in columns if name in names]


def common(run: Recorded) -> dict[str, Any]:
    """What every side has: times, counts and slots of each step."""
    times = np.rint((run.kv["t_ns"] - run.repeat["start_ns"]) / 1000).astype(np.int64)
    return {
        "engine": run.engine,
        "slot_bytes": run.record["slot_bytes"],
        "t_us": np.diff(times, prepend=0).tolist(),
        **{name: run.kv[name].tolist() for name in (*COUNTS, *(SPLIT if run.kinds else PLAIN_SPLIT))},
        "final": run.final,
        **({"groups": [kind.described() for kind in run.kinds]} if run.kinds else {}),
    }
