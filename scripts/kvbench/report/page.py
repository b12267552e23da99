"""Makes results/report.html: what was run and measured, on one page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run, engine_key, load_runs, read_table, run_label
from kvbench.files import read_json
from kvbench.report import price
from kvbench.report import replays as replays
from kvbench.report.folds import Shown, shown, shown_targets
from kvbench.report.html import Figure, figure, page
from kvbench.report.summary import sentences
from kvbench.report.tables.by_name import VIEWS
from kvbench.report.tables.runs import run_settings
from kvbench.report.tables.verdicts import benchmarks_view, parity_view

TEMPLATE = "report.html.j2"
# Figures in the order of the page, each with its own place; all others follow after these.
PLACED = (
    "workload_lengths",
    "throughput",
    "attribution",
    "upkeep",
    "roofline",
    "latency",
    "kv_waste",
    "memory",
    "memory_parts",
    "sharing",
    "block_size",
    "preemption",
    "parity",
)
REPLAYS = "replays"  # a table without model and workload, present if the configuration has a scenario
PRICE = "paging_price"  # likewise, present if the attention kernel was to be timed
NONE = "–"


@dataclass(frozen=True)
class Section:
    """The results of one model on one workload."""

    model: str
    workload: str
    figures: dict[str, Figure]
    tables: dict[str, Shown]
    summary: list[str]

    @property
    def further(self) -> list[Figure]:
        """Figures without their own place on the page."""
        return [figure for name, figure in self.figures.items() if name not in PLACED]


def render(
    environment: Mapping[str, Any],
    config: str,
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[Path],
    runs: Sequence[Run],
    *,
    has_capacity: bool = False,
) -> str:
    """The page as HTML. `figures` are .../<model>/<workload>/<name>.{svg,png}, `config` is the resolved YAML.

    Figures of replays are .../replays/<scenario>/<name>.{svg,png}; `tables` includes the table of replays, if there are
    any. With `has_capacity` the page links to capacity.html.
    """
    of_runs = {name: table for name, table in tables.items() if {"model", "workload"} <= set(table)}
    parts = sections(of_runs, figures, runs)
    replayed = replays.sections(tables[REPLAYS], figures) if REPLAYS in tables else []
    return page(
        TEMPLATE,
        machine=machine_facts(environment),
        packages=_packages(environment),
        settings=run_settings(runs),
        unequal_slots=unequal_slots(runs),
        **(_of_all_runs(tables) if runs else {}),
        sections=parts,
        price=price.section(tables[PRICE], figures) if PRICE in tables else None,
        replays=replayed,
        not_drawn=not_drawn(parts, replayed),
        runs=runs,
        config=config,
        has_capacity=has_capacity,
    )


def _of_all_runs(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables outside sections, which exist if the configuration has a run."""
    parity = tables["parity"]
    return {
        "gate": parity_view(parity[parity["gate"].notna()], with_names=True),
        "targets": shown_targets(tables["targets"]),
        "benchmarks": benchmarks_view(tables["benchmarks"]),
    }


def read_inputs(
    environment: str | Path,
    config: str | Path,
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    runs: Sequence[str | Path],
) -> tuple[Any, str, dict[str, pd.DataFrame], list[Path], list[Run]]:
    """Read the inputs of `render` from files; tables by name."""
    frames = {Path(path).stem: read_table(path) for path in tables}
    text = Path(config).read_text(encoding="utf-8")
    return read_json(environment), text, frames, list(map(Path, figures)), load_runs(runs) if runs else []


def sections(tables: Mapping[str, pd.DataFrame], figures: Sequence[Path], runs: Sequence[Run]) -> list[Section]:
    """One section per model and workload, in the order of the runs."""
    pairs = dict.fromkeys((run.model, run.workload) for run in runs)
    return [
        Section(
            model,
            workload,
            _figures([path for path in figures if path.parts[-3:-1] == (model, workload)]),
            {name: shown(name, _of(tables[name], model, workload)) for name in VIEWS},
            sentences(tables, model, workload),
        )
        for model, workload in pairs
    ]


def not_drawn(parts: Sequence[Section], replayed: Sequence[replays.Section]) -> list[tuple[str, Figure]]:
    """The figures that could not be drawn, each with its place."""
    places = [(f"{one.model}, {one.workload}", figure) for one in parts for figure in one.figures.values()]
    places += [(one.name, figure) for one in replayed for figure in one.figures]
    return [(where, figure) for where, figure in places if figure.not_drawn]


def unequal_slots(runs: Sequence[Run]) -> list[str]:
    """A sentence for each model and workload whose engines need different numbers of bytes per token."""
    told = []
    for model, workload in dict.fromkeys((run.model, run.workload) for run in runs):
        own = [run for run in runs if (run.model, run.workload) == (model, workload)]
        engines: dict[int, dict[str, None]] = {}
        for run in own:
            engines.setdefault(run.record["slot_bytes"], {}).setdefault(run.engine)
        if len(engines) > 1 and len({run.record["dtype"] for run in own}) == 1:
            sizes = "; ".join(f"{', '.join(names)}: {size:,}" for size, names in engines.items())
            told.append(f"{model}, {workload}: the libraries store different KV heads, in bytes a token: {sizes}.")
    return told


def machine_facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """The machine in a few lines, from environment.json."""
    cpu = environment.get("cpu") or {}
    gpus = [gpu["name"] for gpu in environment.get("gpus") or []]
    facts = {
        "Device chosen": environment.get("device"),
        "CPU": cpu.get("model"),
        "CPUs usable": f"{cpu.get('cpus_usable', NONE)} of {cpu.get('cpus', NONE)}",
        "Instruction sets": " ".join(cpu.get("instruction_sets") or []),
        "Memory": f"{environment['memory_total_bytes'] / 2**30:.1f} GiB"
        if "memory_total_bytes" in environment
        else None,
        "GPUs": ", ".join(f"{gpus.count(name)} × {name}" for name in dict.fromkeys(gpus)) or "none",
        "Driver": (environment.get("nvml") or {}).get("driver"),
        "Python": (environment.get("python") or {}).get("version"),
    }
    return {name: value for name, value in facts.items() if value}


def _figures(paths: Sequence[Path]) -> dict[str, Figure]:
    """Figures by name, those of PLACED first."""
    by_name = {path.stem: path for path in reversed(paths)}
    names = [*filter(by_name.get, PLACED), *(name for name in by_name if name not in PLACED)]
    return {name: figure(by_name[name]) for name in names}


def _of(table: pd.DataFrame, model: str, workload: str) -> pd.DataFrame:
    """A table's rows for a model and workload, sorted by engine, with a column `label`."""
    rows = table[(table["model"] == model) & (table["workload"] == workload)]
    if "engine" in rows:
        points = rows["point"] if "point" in rows else ["base"] * len(rows)
        rows = rows.assign(label=[run_label(e, p) for e, p in zip(rows["engine"], points, strict=True)])
        rows = rows.sort_values("engine", key=lambda names: names.map(engine_key), kind="stable")
    return rows.reset_index(drop=True)


def _packages(environment: Mapping[str, Any]) -> dict[str, str]:
    found = environment.get("packages") or {}
    return {name: facts["version"] for name, facts in sorted(found.items()) if facts}
