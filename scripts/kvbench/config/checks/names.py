"""Entries of `runs` name existing models, workloads and engines, as `parity` does; options name existing figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kvbench.config.runs import PARITY
from kvbench.config.wording import Invalid, quote, suggest
from kvbench.engines.names import ENGINES
from kvbench.figures.registry import FIGURES


def check_names(config: dict) -> None:
    if PARITY in config["workloads"]:
        raise Invalid(f"workloads.{PARITY}", "this name is reserved for the parity gate; use another")
    for number, entry in enumerate(config["runs"]):
        for kind in ("models", "workloads"):
            check_known(entry[kind], config[kind], kind[:-1], f"runs[{number}].{kind}")
        check_known(entry["engines"], ENGINES, "engine", f"runs[{number}].engines")
    check_known(config["parity"]["engines"], ENGINES, "engine", "parity.engines")
    figures = [entry.name for entry in FIGURES]
    for name in config["figures"]["options"]:
        if name not in figures:
            raise Invalid(f"figures.options.{name}", f"unknown figure; {suggest(name, figures)}")


def check_known(names: Iterable[str], known: Collection[str], kind: str, at: str) -> None:
    """Raise Invalid for the first name that is not known, with the most similar one that is."""
    for name in names:
        if name not in known:
            raise Invalid(at, f"unknown {kind} {quote(name)}; {suggest(name, known)}")
