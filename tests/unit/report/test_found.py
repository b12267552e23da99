"""What a call ends with: the answers of the report's first screen, and how to open it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from builders.places import GALLERY
from builders.report_inputs import report_inputs
from builders.runs import ALL_ENGINES

from kvbench.files import read_table
from kvbench.report.answers import Answer, Number
from kvbench.report.cells import number, span
from kvbench.report.found import LINES, in_short, line
from kvbench.report.sections import first_screen

GALLERIES = sorted(path.parent.parent.name for path in GALLERY.glob("*/tables/throughput.csv"))


def tables_of(gallery: str) -> dict[str, pd.DataFrame]:
    return {path.stem: read_table(path) for path in (GALLERY / gallery / "tables").glob("*.csv")}


def lines(tables: dict[str, pd.DataFrame], *pairs: tuple[str, str], plans: pd.DataFrame | None = None) -> list[str]:
    runs = [SimpleNamespace(model=model, workload=workload) for model, workload in pairs]
    return in_short(tables, [*runs, *runs], 0, plans).splitlines()


def test_an_answer_is_a_line_of_its_numbers() -> None:
    numbers = [Number("vllm", "87.5 [87, 88]", 1.0), Number("hf-batch", "30", 0.3)]
    told = line(Answer("live", "Slots that hold a token", "%", "at-once", numbers, "Summed over all steps."))
    assert told == "Slots that hold a token: 87.5% [87, 88] (vllm); 30% (hf-batch)."
    assert line(Answer("same", "Same tokens", "%", "parity", [], missing="sampled.")) == "Same tokens: sampled."


def test_the_lines_are_the_answers_of_the_report(tmp_path: Path) -> None:
    _, (_, _, tables, _, runs) = report_inputs(tmp_path, ALL_ENGINES)
    found = in_short(tables, runs, 0, tables_of("cpu-2-cores")["capacity"]).splitlines()
    model, workload, answers = first_screen(tables, runs, 0)
    assert found[0].startswith(f"{model}, {workload}")
    assert found[1:5] == [f"  {line(answer)}" for answer in answers]
    assert len(answers) == 4
    assert found[5].startswith("Plan ")


def test_the_replicas_of_a_fleet_are_told() -> None:
    common = {"scenario": "x", "router": "round-robin"}
    rows = [
        {**common, "policy": "paged", "replicas": 1, "fewest": False},
        {**common, "policy": "paged", "replicas": 2, "fewest": True},
        {**common, "policy": "oracle", "replicas": 4, "fewest": False},
        {**common, "scenario": "y", "policy": "oracle", "replicas": 4, "fewest": None},
    ]
    told = in_short({"fleets": pd.DataFrame(rows)}, [], 0).splitlines()
    assert told[1:] == ["Fleet x, replicas within the SLO, round-robin: paged 2, oracle more than 4"]


def test_runs_that_are_missing_are_told(tmp_path: Path) -> None:
    _, (_, _, tables, _, runs) = report_inputs(tmp_path)
    told = [in_short(tables, runs, 0, missing=names).splitlines()[5] for names in (["a/b"], ["a/b", "c", "d"])]
    more = " and 2 more, which the report names"
    assert told == [f"Left out, since it is missing: a/b{end}." for end in ("", more)]


@pytest.mark.parametrize("gallery", GALLERIES)
def test_the_lines_are_few_in_every_gallery(gallery: str) -> None:
    tables = tables_of(gallery)
    names = ["model", "workload"]
    served = pd.concat([tables[name][names] for name in ("throughput", "serving") if name in tables])
    found = lines(tables, *served.drop_duplicates().itertuples(index=False, name=None))
    base = tables["throughput"][tables["throughput"]["point"] == "base"]
    outside_sweeps = found[0].partition(" (")[0] in set(base["model"] + ", " + base["workload"])
    assert (5 if outside_sweeps else 3) <= len(found) <= LINES
    assert not [line for line in found if "nan" in line]


def test_replays_are_told_by_requests_at_once() -> None:
    table = tables_of("cpu-2-cores")["replays"]
    [line, *others] = lines({"replays": table})
    assert line == "Nothing was measured: runs is empty."
    assert len(others) == table["scenario"].nunique()
    first = table[table["scenario"] == table["scenario"].iloc[0]].set_index("policy")["running_mean_requests"]
    assert f"paged {first['paged']:.3g}" in others[0]
    assert others[0].startswith(f"Replay {table['scenario'].iloc[0]}, requests at once: reserve-max ")


def test_many_replays_are_counted() -> None:
    table = pd.DataFrame([{"scenario": f"s{n}", "policy": "paged", "running_mean_requests": 2} for n in range(12)])
    found = lines({"replays": table})
    assert len(found) == LINES
    assert found[-1] == "5 more plans or replays are in the report."
    assert found[-2] == "Replay s6, requests at once: paged 2"


def test_plans_are_told_by_the_policies_that_have_a_number_and_before_replays() -> None:
    rows = [{"plan": "p", "policy": "oracle", "requests_at_once": 7.126}, {"plan": "p", "policy": "paged"}]
    replays = pd.DataFrame([{"scenario": "s", "policy": "paged", "running_mean_requests": 2}])
    found = lines({"replays": replays}, plans=pd.DataFrame(rows))
    assert found[1:] == ["Plan p, requests at once: oracle 7.13", "Replay s, requests at once: paged 2"]


def test_a_sweep_of_number_types_alone_is_told() -> None:
    tables = tables_of("caches")
    row = tables["kv_dtypes"].query("kv_dtype == 'fp8'").iloc[0]
    found = lines(tables, ("smollm2-135m", "mixed"))
    ratio = span(row["ratio"], row["ratio_ci95_low"], row["ratio_ci95_high"])
    middle, _, around = ratio.partition(" ")
    assert found[1] == (
        "  Another number type of the cache, in the same bytes: "
        f"{number(row['pool_tokens_over_auto'])}× (tokens that the pool holds: fp8 over auto); "
        f"{middle}× {around} (output tokens per second: fp8 over auto)."
    )
    assert not any("outside sweeps" in line for line in found)
