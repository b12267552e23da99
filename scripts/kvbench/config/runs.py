"""The runs that a configuration asks for: models x workloads x engines of each entry, at each point of its sweep.

Every job of a run asks for its settings, so the runs of a configuration are worked out once (`_worked_out`), and found
by name or by model and workload.
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kvbench.engines.names import REFERENCE
from kvbench.workload.rates import RATE, is_rate, rate_point

OVERRIDABLE = (
    "repeats",
    "sampling",
    "max_length",
    "kv_budget_mib",
    "block_size",
    "kv_dtype",
    "prefix_sharing",
    "sequential_requests",
    "gpus",
)
# Keys of an entry alone: when its requests arrive. Without a rate all are submitted at once.
ARRIVING = {RATE: None, "burstiness": 1.0}
PARITY = "parity"
BASE = "base"
PLACE = re.compile(r"(.+?)(?:\.process-(\d+))?")


@dataclass(frozen=True, order=True)
class RunName:
    """Names a run and one of its processes; the fields give the folders of its files under results/runs/."""

    model: str
    engine: str
    workload: str
    point: str = BASE
    process: int = 1

    @classmethod
    def of(cls, model: str, engine: str, workload: str, point: str) -> RunName:
        """The run with these folders, the last in the form of `place`."""
        point, number = PLACE.fullmatch(point).groups()
        return cls(model, engine, workload, point, int(number or 1))

    @property
    def place(self) -> str:
        """The last folder: the point, with the process number from the second process on, such as `base.process-2`."""
        return self.point + (f".process-{self.process}" if self.process > 1 else "")

    @property
    def folder(self) -> str:
        """The folder of the run's files."""
        return f"results/runs/{self.model}/{self.engine}/{self.workload}/{self.place}"


Plan = Sequence[tuple[int, RunName, dict]]


@dataclass(frozen=True)
class _Worked:
    """What follows from `runs` and `processes` of a configuration: the plan, the runs, and both by name."""

    plan: Plan
    runs: Sequence[RunName]
    entries: dict[RunName, tuple[int, dict]]
    pairs: dict[tuple[str, str], list[RunName]]


def plan(config: dict) -> Plan:
    """Each run with the number of its entry in `runs` and the settings that the entry overrides."""
    return _of(config).plan


def run_list(config: dict) -> list[RunName]:
    """The runs to measure, in the order of the configuration; one for each process."""
    return list(_of(config).runs)


def runs_of_pair(config: dict, model: str, workload: str) -> list[RunName]:
    """The runs of `run_list` of one model and workload."""
    return list(_of(config).pairs.get((model, workload), ()))


def entry_of(config: dict, run: RunName) -> tuple[int, dict] | None:
    """The number of the entry that asks for a run of `run_list`, and the settings that it overrides."""
    return _of(config).entries.get(run)


def _of(config: dict) -> _Worked:
    return _worked_out(pickle.dumps((config["runs"], config["processes"])))


@lru_cache(maxsize=8)
def _worked_out(content: bytes) -> _Worked:
    """Kept by content, since a configuration may change between two calls."""
    entries, processes = pickle.loads(content)
    planned = tuple(_planned(entries))
    runs, by_run, by_pair = [], {}, defaultdict(list)
    for number, first, own in planned:
        for process in range(entries[number].get("processes", processes)):
            run = replace(first, process=process + 1)
            runs.append(run)
            by_run.setdefault(run, (number, own))
            by_pair[run.model, run.workload].append(run)
    return _Worked(planned, tuple(runs), by_run, dict(by_pair))


def _planned(entries: Sequence[dict]) -> Iterator[tuple[int, RunName, dict]]:
    for number, entry in enumerate(entries):
        own = {key: entry[key] for key in (*OVERRIDABLE, *ARRIVING) if key in entry}
        for model, workload, engine in itertools.product(entry["models"], entry["workloads"], entry["engines"]):
            for point, swept in _points(entry):
                yield number, RunName(model, engine, workload, point), {**own, **swept}


def sharing_runs(config: dict) -> list[RunName]:
    """The runs of `run_list` whose requests may share blocks."""
    shared = {run for _, run, own in plan(config) if own.get("prefix_sharing", config["prefix_sharing"])}
    return [run for run in run_list(config) if replace(run, process=1) in shared]


def parity_list(config: dict) -> list[RunName]:
    """The parity runs: for each model with a tokenizer, its engines that the gate covers, and the reference."""
    used = {(run.model, run.engine) for run in run_list(config)}
    with_text = {model for model, _ in used if config["models"][model]["source"] != "shape"}
    gate = config["parity"]["engines"]
    pairs = {(m, e) for m, e in used if m in with_text and e in gate} | {(m, REFERENCE) for m in with_text}
    return [RunName(model, engine, PARITY) for model, engine in sorted(pairs)]


def point_name(key: str, value: object) -> str:
    """The name of a point of a sweep, such as `block_size-32`."""
    return f"{key}-{str(value).lower()}"


def arrives(run: RunName) -> bool:
    """Whether the run's requests arrive over time."""
    return is_rate(run.point)


def run_at_rate(plan: Plan, benchmark: dict, engine: str) -> tuple[RunName, dict] | None:
    """The run of `engine` with a benchmark's model, workload and `requests_per_s`, and its own settings, if any."""
    wanted = (benchmark["model"], engine, benchmark["workload"], benchmark["requests_per_s"])
    found = ((run, own) for _, run, own in plan)
    return next((one for one in found if (*_served(one[0]), one[1].get("requests_per_s")) == wanted), None)


def _served(run: RunName) -> tuple[str, str, str]:
    return run.model, run.engine, run.workload


def _points(entry: dict) -> list[tuple[str, dict]]:
    """The points of an entry and what each one sets, such as (`block_size-32`, {"block_size": 32}).

    A rate is a point even where it is not swept: `base` has all requests submitted at once.
    """
    if RATE in entry:
        return [(rate_point(entry[RATE]), {})]
    if "sweep" not in entry:
        return [(BASE, {})]
    [(key, values)] = entry["sweep"].items()
    return [(rate_point(value) if key == RATE else point_name(key, value), {key: value}) for value in values]
