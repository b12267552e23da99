"""What follows from the runs is worked out once, however many jobs ask for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from builders.overlaid import overlaid

from kvbench.config import paths, runs, sweeps
from kvbench.config.parameters import run_settings, workload_options
from kvbench.config.runs import RunName, entry_of, plan, run_list, runs_of_pair

PAIR = ("smollm2-135m", "mixed")
ENTRY = {"models": ["smollm2-135m"], "workloads": ["mixed"], "engines": ["vllm"]}


@pytest.fixture
def config() -> dict:
    return overlaid()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How often the points of an entry are worked out."""
    counted, points = Counter(), runs._points

    def count(entry: dict) -> list[tuple[str, dict]]:
        counted["entries"] += 1
        return points(entry)

    monkeypatch.setattr(runs, "_points", count)
    runs._worked_out.cache_clear()
    return counted


def swept(config: dict, points: int, **more: object) -> dict:
    return {**config, "runs": [{**ENTRY, "sweep": {"kv_budget_mib": [8 + n for n in range(points)]}, **more}]}


def test_settings_of_all_runs_are_found_in_one_plan(config: dict, calls: Counter) -> None:
    own = swept(config, 300)
    names = run_list(own)
    found = [run_settings(own, run.model, run.engine, run.workload, run.place)["kv_budget_mib"] for run in names]
    assert found == [8 + n for n in range(300)]
    assert paths.swept_records(own, *PAIR, "kv_budget_mib") == paths.record_files(names)
    assert workload_options(own, *PAIR)["requests"] == 13
    assert paths.map_inputs(own, *PAIR) == {"runs": [], "data": []}
    assert calls == {"entries": 1}


def test_a_sweep_reads_the_settings_of_one_point_an_engine(config: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(sweeps, "run_settings", lambda *name: asked.append(name) or run_settings(*name))
    assert len(sweeps.swept_runs(swept(config, 300), *PAIR, "kv_budget_mib")) == 300
    assert len(asked) == 1


def test_a_changed_configuration_has_another_plan(config: dict, calls: Counter) -> None:
    own = swept(config, 2)
    before = run_list(own)
    own["runs"][0]["sweep"]["kv_budget_mib"].append(64)
    own["runs"][0]["processes"] = 2
    added = RunName("smollm2-135m", "vllm", "mixed", "kv_budget_mib-64")
    every = [*before, added]
    assert run_list(own) == [replace(run, process=n) for run in every for n in (1, 2)] == runs_of_pair(own, *PAIR)
    assert [run for _, run, _ in plan(own)] == every
    assert entry_of(own, replace(added, process=2)) == (0, {"kv_budget_mib": 64})
    assert entry_of(own, replace(added, process=3)) is None
    assert calls == {"entries": 2}
