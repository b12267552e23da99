"""Compares two finished result folders: machines, versions, settings that differ, and ratios from raw repeats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run, load_runs, run_label
from kvbench.analysis.statistics import ratio
from kvbench.analysis.tables.repeats import WORK, table
from kvbench.engines.names import is_paged, is_static
from kvbench.errors import UserError
from kvbench.files import read_record
from kvbench.kv.contiguous import longest_row
from kvbench.report.cells import MIB, number, span
from kvbench.report.comparison_page import RATIOS
from kvbench.report.machine import machine_facts
from kvbench.yaml_files import read_yaml

NAMES = ("model", "workload", "engine", "point", "scope")
# Columns of repeats.csv with their names here and the factor for the unit in the name.
METRICS = {
    "output_tokens_per_s": ("output tokens/s", 1),
    "time_to_first_token_median_s": ("time to first token (s)", 1),
    "end_to_end_median_s": ("end to end (s)", 1),
    "live_share_of_allocated": ("live share of allocated", 1),
    "waste_share_of_allocated": ("waste share of allocated", 1),
    "allocated_peak_bytes": ("peak allocated (MiB)", 1 / MIB),
}
SCOPES = {"all": "all", "sequential": "subset"}
DIGEST = "workload_digest"


@dataclass(frozen=True)
class Side:
    """One results folder: facts about its machine, its configuration by dotted key, its runs."""

    folder: Path
    environment: dict[str, Any]
    config: dict[str, Any]
    runs: list[Run]


def has_runs(folder: str | Path) -> bool:
    """Whether a folder, or the `results` in it, has the raw repeats of a run."""
    return bool(_records(Path(folder))[1])


def _records(folder: Path) -> tuple[Path, list[Path]]:
    """The results folder, and the run.json of its runs outside the parity gate."""
    folder = folder / "results" if (folder / "results/runs").is_dir() else folder
    return folder, [path for path in sorted(folder.glob("runs/*/*/*/*/run.json")) if path.parts[-3] != "parity"]


def load_side(folder: str | Path) -> Side:
    """Load a results folder, or the folder that contains `results`. UserError if it has no finished run."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give one that holds results of `make run`")
    folder, records = _records(folder)
    if not records:
        raise UserError(f"{folder}: no runs/*/*/*/*/run.json; give a folder that holds results of `make run`")
    config = folder / "config.yaml"
    return Side(
        folder,
        read_record(folder / "environment.json"),
        flat(read_yaml(config)) if config.is_file() else {},
        load_runs(records),
    )


def compare(a: Side, b: Side, seed: int) -> dict[str, pd.DataFrame]:
    """Tables of text by title, ratios last; a table without rows means that nothing differs."""
    packages = [{name: facts["version"] for name, facts in _packages(side).items()} for side in (a, b)]
    return {
        "Folders": pd.DataFrame([{"A": str(a.folder), "B": str(b.folder)}]),
        "Machines": both(machine_facts(a.environment), machine_facts(b.environment), "fact", equal_too=True),
        "Versions that differ": both(*packages, "package"),
        "Settings that differ": both(a.config, b.config, "setting"),
        "Settings in force that differ": both(*_in_force(a.runs, b.runs), "setting"),
        "Runs of one folder only": _alone(a.runs, b.runs),
        RATIOS: ratios(samples(a.runs), samples(b.runs), seed),
    }


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings and lists of mappings into one mapping with dotted keys."""
    if isinstance(value, Mapping):
        pairs = {f"{prefix}.{key}" if prefix else str(key): item for key, item in value.items()}
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        pairs = {f"{prefix}[{place}]": item for place, item in enumerate(value)}
    else:
        return {prefix: value}
    return {key: found for name, item in pairs.items() for key, found in flat(item, name).items()}


def in_force(run: Run) -> dict[str, Any]:
    """The settings that the engine reports as in force, with dtype, device, threads, budget and code digest.

    For padded batches also the length that a row may reach: earlier versions ended them at `max_length`.
    """
    facts = {key: run.record[key] for key in ("dtype", "device", "threads", "max_length", "block_size")}
    facts |= {"kv_budget_bytes": run.record["capacity"]["budget_bytes"]} | flat(run.record["settings"]["in_force"])
    if not is_paged(run.engine):
        limits = (run.record["max_length"], run.record.get("max_context"))
        facts["longest padded row (tokens)"] = longest_row(*limits, static=is_static(run.engine))
    facts["digest of the code"] = run.record["digests"]["code"]
    return {f"{run.model}, {run.workload}, {run.label}: {key}": value for key, value in facts.items()}


def _in_force(*sides: Sequence[Run]) -> list[dict[str, Any]]:
    """`in_force` of the runs that exist on both sides."""
    shared = set.intersection(*({_key(run) for run in runs} for runs in sides))
    return [
        {key: value for run in runs if _key(run) in shared for key, value in in_force(run).items()} for runs in sides
    ]


def _key(run: Run) -> tuple[str, ...]:
    return tuple(run.names.values())


def both(a: Mapping[str, Any], b: Mapping[str, Any], what: str, equal_too: bool = False) -> pd.DataFrame:
    """Keys with their two values, only those that differ or all; a dash if one side lacks a key."""
    keys = [key for key in dict.fromkeys([*a, *b]) if equal_too or a.get(key) != b.get(key)]
    rows = [{what: key, "A": _text(a.get(key)), "B": _text(b.get(key))} for key in keys]
    return pd.DataFrame(rows, columns=[what, "A", "B"])


def samples(runs: Sequence[Run]) -> pd.DataFrame:
    """repeats.csv of the runs with the digest of each row's requests; None for older records without it."""
    digests = {(*_key(run), scope): run.workload_digests.get(scope) for run in runs for scope in SCOPES}
    found = table(runs)
    keys = zip(*(found[name] for name in NAMES), strict=True)
    return found.assign(**{DIGEST: [digests[key] for key in keys]})


def ratios(a: pd.DataFrame, b: pd.DataFrame, seed: int) -> pd.DataFrame:
    """B's median over A's with its 95% interval and both medians, per run, scope and metric.

    A ratio needs the same requests on both sides, by the digest of their content or, for older records, by their totals
    only. With fewer than 6 repeats there is no interval.
    """
    groups = [dict(list(frame.groupby(list(NAMES), sort=False))) for frame in (a, b)]
    rows = [
        {"run": f"{model}, {workload}, {run_label(engine, point)}", "requests": SCOPES[scope], **row}
        for model, workload, engine, point, scope in groups[0]
        if (key := (model, workload, engine, point, scope)) in groups[1]
        for row in _rows(groups[0][key], groups[1][key], seed)
    ]
    return pd.DataFrame(rows, columns=["run", "requests", "metric", "A", "B", "B / A", "note"])


def _rows(a: pd.DataFrame, b: pd.DataFrame, seed: int) -> Iterator[dict[str, str]]:
    both_sides = pd.concat([a, b])
    digests = set(both_sides[DIGEST])
    same = len(both_sides[list(WORK)].drop_duplicates()) == 1 and (None in digests or len(digests) == 1)
    judged = "; same requests by their totals only: a record has no digest" if None in digests else ""
    for column, (metric, factor) in METRICS.items():
        known = [frame.dropna(subset=[column]) for frame in (a, b)]
        values = [frame[column].to_numpy(dtype=float) * factor for frame in known]
        if not all(map(len, values)):
            continue
        if not same or values[0].min() <= 0:
            medians = [number(pd.Series(sample).median()) for sample in values]
            note = "A has a value of 0" if same else "other requests"
            yield {"metric": metric, "A": medians[0], "B": medians[1], "B / A": "–", "note": note}
            continue
        processes = [frame["process"].tolist() for frame in known]
        found = ratio(values[1], values[0], seed, (processes[1], processes[0]))
        below, above = found.denominator, found.numerator
        spans = [(s.median, s.low, s.high, s.minimum, s.maximum) for s in (below, above)]
        spans.append((found.value, found.low, found.high))
        note = _counts("n =", below.n, above.n) + _counts(" in", *map(len, map(set, processes)), " processes")
        note += _disturbed(*known) + judged
        yield {
            "metric": metric,
            **dict(zip(("A", "B", "B / A"), (span(*values) for values in spans), strict=True)),
            "note": note,
        }


def _counts(before: str, a: int, b: int, after: str = "") -> str:
    """Counts of both sides; empty if they count processes and both are 1."""
    if after and a == b == 1:
        return ""
    return f"{before} {a}{after}" if a == b else f"{before} {a} and {b}{after}"


def _disturbed(a: pd.DataFrame, b: pd.DataFrame) -> str:
    """The number of disturbed repeats on each side; empty if none is known to be disturbed."""
    counts = [int(frame["disturbed"].fillna(False).astype(bool).sum()) for frame in (a, b)]
    return _counts(", disturbed", *counts) if any(counts) else ""


def _alone(a: Sequence[Run], b: Sequence[Run]) -> pd.DataFrame:
    names = [{_key(run): run.names for run in runs} for runs in (a, b)]
    rows = [
        {"folder": side, **row}
        for side, own, other in (("A", *names), ("B", *reversed(names)))
        for key, row in own.items()
        if key not in other
    ]
    return pd.DataFrame(rows)


def _packages(side: Side) -> dict[str, Any]:
    return {name: facts for name, facts in sorted((side.environment.get("packages") or {}).items()) if facts}


def _text(value: Any) -> str:
    return "–" if value is None else str(value)
