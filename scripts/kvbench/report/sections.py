"""The report's results of one model on one workload: answers, sentences, figures, tables and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kvbench.analysis.results import Run, rows_of_pair
from kvbench.report import map_links, verdicts
from kvbench.report.answers import Answer, answers, chosen
from kvbench.report.folds import Shown, shown
from kvbench.report.html import Figure, figure
from kvbench.report.summary import sentences
from kvbench.report.tables.by_name import VIEWS
from kvbench.report.tables.held import held, held_view

# Figures with a place of their own; all others follow after these.
PLACED = (
    "workload_lengths",
    "throughput",
    "attribution",
    "upkeep",
    "roofline",
    "latency",
    "latency_rate",
    "request_time",
    "kv_waste",
    "memory",
    "memory_parts",
    "sharing",
    "kv_dtype",
    "block_size",
    "preemption",
    "parity",
)

LIBRARIES = {"hf": "Hugging Face Transformers", "vllm": "vLLM"}


@dataclass(frozen=True)
class Section:
    """The results of one model on one workload; `held` is requests at once and live slots by engine, as shown."""

    model: str
    workload: str
    figures: dict[str, Figure]
    tables: dict[str, Shown]
    held: pd.DataFrame
    answers: list[Answer]
    summary: list[str]
    claims: list[verdicts.Group]
    engines: Sequence[str]

    @property
    def served(self) -> str:
        """By what the requests were served, in words."""
        libraries = sorted({LIBRARIES["hf" if engine.startswith("hf-") else "vllm"] for engine in self.engines})
        same = "the same requests, " if len(self.engines) > 1 else "requests "
        return f"{same}served by {' and by '.join(libraries)} under one KV budget"

    @property
    def name(self) -> str:
        return f"{self.model}: {self.workload}"

    @property
    def has_intervals(self) -> bool:
        return any("[" in number.around for answer in self.answers for number in answer.numbers)

    @property
    def arrives(self) -> bool:
        """Whether there are runs whose requests arrive over time."""
        return bool(len(self.tables["serving"].rows) or self.tables["serving"].folds)

    @property
    def further(self) -> list[Figure]:
        """Figures without their own place on the page."""
        return [figure for name, figure in self.figures.items() if name not in PLACED]


def sections(
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[Path],
    runs: Sequence[Run],
    seed: int,
    maps: Sequence[tuple[str, str, str]] = (),
) -> list[Section]:
    """One section per model and workload: first that of the first screen, then the others in the order of the runs.

    `maps` are those of `page.render`, to which slow requests are linked.
    """
    pairs = list(dict.fromkeys((run.model, run.workload) for run in runs))
    first = chosen(tables, pairs)
    ordered = sorted(pairs, key=lambda pair: pair != first)
    return [_section(tables, figures, pair, _engines(runs, pair), seed, maps) for pair in ordered]


def first_screen(tables: Mapping[str, pd.DataFrame], runs: Sequence[Run], seed: int) -> tuple[str, str, list[Answer]]:
    """Model, workload and answers of the first screen; ValueError without a run."""
    first = chosen(tables, list(dict.fromkeys((run.model, run.workload) for run in runs)))
    if first is None:
        raise ValueError("there is no first screen without a run")
    return (*first, answers(tables, held(rows_of_pair(tables["repeats"], *first), seed), *first))


def _section(
    tables: Mapping[str, pd.DataFrame],
    figures: Sequence[Path],
    pair: tuple[str, str],
    engines: Sequence[str],
    seed: int,
    maps: Sequence[tuple[str, str, str]],
) -> Section:
    model, workload = pair
    own = {name: rows_of_pair(table, model, workload) for name, table in tables.items()}
    own["slowest_requests"] = map_links.linked(own["slowest_requests"], maps, model, workload)
    holds = held(own["repeats"], seed)
    return Section(
        model,
        workload,
        _figures([path for path in figures if path.parts[-3:-1] == (model, workload)]),
        {name: shown(name, own[name]) for name in VIEWS if name in own and name != "claims"},
        held_view(holds),
        answers(tables, holds, model, workload),
        sentences(tables, model, workload),
        verdicts.groups(own["claims"]),
        engines,
    )


def _engines(runs: Sequence[Run], pair: tuple[str, str]) -> list[str]:
    return sorted({run.engine for run in runs if (run.model, run.workload) == pair})


def _figures(paths: Sequence[Path]) -> dict[str, Figure]:
    """Figures by name, those of PLACED first."""
    by_name = {path.stem: path for path in reversed(paths)}
    names = [*filter(by_name.get, PLACED), *(name for name in by_name if name not in PLACED)]
    return {name: figure(by_name[name]) for name in names}
