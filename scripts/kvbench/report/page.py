"""Makes results/report.html: what was run and measured, on one page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kvbench.analysis.results import Run, load_runs
from kvbench.files import read_table, read_text
from kvbench.machine.recorded import read_environment
from kvbench.report import machine, price
from kvbench.report import replays as replays
from kvbench.report.charts.chart import Embedded
from kvbench.report.cite import bibtex
from kvbench.report.folds import shown_targets
from kvbench.report.html import Figure, page
from kvbench.report.sections import Section, sections
from kvbench.report.tables.runs import run_settings
from kvbench.report.tables.verdicts import benchmarks_view, parity_view, serving_benchmarks_view
from kvbench.report.verdicts import BADGES, count
from kvbench.yaml_files import parse_value

TEMPLATE = "report.html.j2"
REPLAYS = "replays"  # a table without model and workload, present if the configuration has a scenario
FLEETS = "fleets"  # likewise, present if a scenario has a fleet
PRICE = "paging_price"  # likewise, present if the attention kernel was to be timed


def render(
    environment: Mapping[str, Any],
    config: str,
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[Path],
    runs: Sequence[Run],
    *,
    maps: Sequence[tuple[str, str, str]] = (),
    charts: Mapping[str, Sequence[Embedded]] | None = None,
    chart_library: str = "",
    has_capacity: bool = False,
    methods: str = "",
    missing: Sequence[str] = (),
) -> str:
    """The page as HTML. `figures` are .../<model>/<workload>/<name>.{svg,png}, `config` is the resolved YAML.

    Figures of replays are .../replays/<scenario>/<name>.{svg,png}; `tables` includes the table of replays, if there are
    any. `maps` are (model, workload, base64 of the gzipped document of docs/block-map.md). `charts` are by the place of
    their figure, drawn by the script `chart_library`. With `has_capacity` the page links to capacity.html. `methods` is
    the text of methods.txt, shown as it is; without it that place is left out. `missing` are the runs that the
    configuration asks for and that are not there, which the page names first.
    """
    settings = _settings(config)
    of_runs = {name: table for name, table in tables.items() if {"model", "workload"} <= set(table)}
    parts = sections(of_runs, figures, runs, settings.get("seed", 0), maps)
    replayed = replays.sections(tables[REPLAYS], figures, tables.get(FLEETS)) if REPLAYS in tables else []
    kernel = price.section(tables[PRICE], figures) if PRICE in tables else None
    return page(
        TEMPLATE,
        contents=contents(parts, kernel, replayed, has_capacity=has_capacity),
        sections=parts,
        maps=ordered_maps(maps, parts),
        charts=charts or {},
        chart_library=chart_library,
        price=kernel,
        replays=replayed,
        has_capacity=has_capacity,
        not_drawn=not_drawn(parts, replayed),
        **_environment(environment, runs),
        **(_of_all_runs(tables) if runs else {}),
        config=config,
        bibtex=bibtex(),
        methods=methods,
        missing=missing,
        formats=_files(settings),
    )


def _environment(environment: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    """What was run, and on what."""
    return {
        "device": machine.device(environment, runs),
        "machine": machine.machine_facts(environment),
        "packages": machine.packages(environment),
        "settings": run_settings(runs),
        "several_hosts": machine.several_hosts(runs),
        "several_gpus": machine.several_gpus(runs),
        "unequal_slots": machine.unequal_slots(runs),
        "runs": runs,
    }


def _of_all_runs(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What is outside sections, which exists if the configuration has a run."""
    parity = tables["parity"]
    counts = count(tables["claims"])
    return {
        "gate": parity_view(parity[parity["gate"].notna()], with_names=True),
        "targets": shown_targets(tables["targets"]),
        "benchmarks": benchmarks_view(tables["benchmarks"]),
        "serving_benchmarks": serving_benchmarks_view(tables["benchmarks"]),
        "verdicts": [(verdict, BADGES[verdict], number_of) for verdict, number_of in counts.items()],
    }


def contents(
    parts: Sequence[Section], kernel: price.Section | None, replayed: Sequence[Any], *, has_capacity: bool
) -> dict[str, str]:
    """The parts of the page with their titles, in its order; parts without results are left out."""
    measured = bool(parts)
    listed = [
        ("answer", "The answer", True),
        ("blocks", "The blocks, step by step", measured),
        ("in-short", "In short", measured),
        ("how", "How it works", True),
        ("memory", "Memory", measured),
        ("speed", "Speed and its causes", measured),
        ("block-table", "What a block table costs", has_upkeep(parts) or kernel is not None),
        ("latency", "Latency", measured),
        ("serving", "Requests that arrive over time", any(one.arrives for one in parts)),
        ("tokens", "Same tokens", measured),
        ("further", "Further figures", any(one.further for one in parts)),
        ("claims", "Claims", measured),
        ("replays", "Replays and capacity", bool(replayed) or has_capacity),
        ("method", "Method and limits", True),
        ("environment", "What was run", True),
        ("reproduce", "How to reproduce", True),
        ("cite", "How to cite", True),
    ]
    return {name: title for name, title, present in listed if present}


def has_upkeep(parts: Sequence[Section]) -> bool:
    return any(len(one.tables["upkeep"].rows) for one in parts)


def ordered_maps(maps: Sequence[tuple[str, str, str]], parts: Sequence[Section]) -> list[tuple[str, str, str]]:
    """The maps in the order of the sections."""
    order = {(one.model, one.workload): place for place, one in enumerate(parts)}
    return sorted(maps, key=lambda one: order.get(one[:2], len(order)))


def read_inputs(
    environment: str | Path,
    config: str | Path,
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    runs: Sequence[str | Path],
) -> tuple[Any, str, dict[str, pd.DataFrame], list[Path], list[Run]]:
    """Read the inputs of `render` from files; tables by name."""
    frames = {Path(path).stem: read_table(path) for path in tables}
    found = load_runs(runs) if runs else []
    return read_environment(environment), read_text(config), frames, list(map(Path, figures)), found


def not_drawn(parts: Sequence[Section], replayed: Sequence[replays.Section]) -> list[tuple[str, Figure]]:
    """The figures that could not be drawn, each with its place."""
    places = [(f"{one.model}, {one.workload}", figure) for one in parts for figure in one.figures.values()]
    places += [(one.name, figure) for one in replayed for figure in one.figures]
    return [(where, figure) for where, figure in places if figure.not_drawn]


def _settings(config: str) -> dict[str, Any]:
    found = parse_value(config)
    return found if isinstance(found, dict) else {}


def _files(settings: Mapping[str, Any]) -> list[str]:
    """The formats in which each figure lies beside the page."""
    return list((settings.get("figures") or {}).get("formats") or [])
