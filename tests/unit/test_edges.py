"""Tables, figures and the report handle nearly empty runs: they draw what exists and state what is missing."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from builders.changed_runs import changed_record
from builders.charts import charts_of
from builders.fleets import fleet_record, fleet_scenario, fleet_table
from builders.pipeline import READS, draw, emptied, report, run_plot, texts, write_results
from builders.places import PUBLISHED, SHAPES
from builders.scenarios import replayed, scenario, write_replays
from builders.simulated_requests import Request, make_requests

from kvbench.capacity.contexts import curves, read_conditions
from kvbench.capacity.shapes import read_shapes
from kvbench.errors import UserError
from kvbench.figures import largest_batch, workload_lengths
from kvbench.figures.fleet import NOTHING as NO_FLEET
from kvbench.figures.hit_rate import NOTHING
from kvbench.figures.saving import save
from kvbench.files import read_parquet, read_table, write_csv, write_parquet
from kvbench.replay import Trace
from kvbench.replay.hit_rate_table import hit_rates


def few(output: int, count: int = 3) -> list[Request]:
    return [Request(f"r{i}", 9 + 5 * i, output) for i in range(count)]


def without(name: str, *columns: str):
    """Blank the given columns of a run's Parquet file, or drop all rows if no column is given."""

    def change(folder: Path) -> None:
        table = read_parquet(folder / f"{name}.parquet")
        for column in columns:
            at = table.schema.get_field_index(column)
            table = table.set_column(at, table.schema.field(at), pa.nulls(len(table), table.schema.field(at).type))
        write_parquet(folder / f"{name}.parquet", table if columns else table.slice(0, 0))

    return change


def unknown(folder: Path) -> None:
    """Clear the values that run.json may lack."""
    with changed_record(folder / "run.json") as record:
        memory = record["memory"]
        memory |= {"parts": dict.fromkeys(memory["parts"]), "process_bytes": None}
        memory |= {"unattributed_bytes": None}
        record["settings"]["in_force"] = {"max_num_seqs": 256, "max_num_batched_tokens": 4096}
        record["digests"] = {}


def unserved(folder: Path) -> None:
    """Turn hf-batch into a run that ran out of memory with a single row."""
    if "hf-batch" in folder.parts:
        with changed_record(folder / "run.json") as record:
            record |= {"repeats": [], "batches": [], "phases": record["phases"][:2]}
            record["out_of_memory"] = {
                "largest_batch_rows": None,
                "out_of_memory_rows": 1,
                "trials": [{"rows": 1, "fits": False}],
            }
        for name in ("requests", "kv", "blocks"):
            without(name)(folder)


CASES = {
    "one token": {"requests": few(1), "repeats": 2},
    "two tokens": {"requests": few(2), "repeats": 2},
    "one request": {"requests": few(5, 1), "repeats": 2},
    "one request of one token": {"requests": few(1, 1), "repeats": 1},
    "one prompt token": {"requests": [Request("r", 1, 1)], "repeats": 6},
    "one repeat": {"requests": few(5), "repeats": 1},
    "one engine": {"requests": few(5), "repeats": 1, "engines": ["vllm"]},
    "one sequential engine": {"requests": few(5), "repeats": 1, "engines": ["hf-sequential"]},
    "a reference that samples": {"requests": few(5), "repeats": 1, "temperature": 0.7},
    "unknown in run.json": {"requests": few(5), "repeats": 2, "change": unknown},
    "no samples of devices": {
        "requests": few(5),
        "repeats": 2,
        "change": without("device", "host_rss_bytes", "device_used_bytes", "device_total_bytes"),
    },
    "no times": {"requests": few(5), "repeats": 2, "change": without("requests", "first_token_s", "cached_tokens")},
    "no steps": {"requests": few(5), "repeats": 2, "change": without("kv")},
    "nothing served": {"requests": few(5), "repeats": 2, "change": unserved},
    "a GPU": {"requests": few(1), "repeats": 2, "device": "cuda"},
}


@pytest.fixture(scope="module", params=CASES)
def results(request, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp(request.param)
    write_results(root, **CASES[request.param])
    return root


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    write_results(root, make_requests(6), repeats=6)
    return root


HOW = ["empty", "one row", "of another workload", "no values"]
SKIPPED = {"one sequential engine": {"sharing"}}  # no rule requests it


@pytest.mark.parametrize("figure", READS)
def test_every_figure_draws_what_little_there_is(results: Path, figure: str, tmp_path: Path) -> None:
    if figure not in SKIPPED.get(results.name.rstrip("0"), ()):
        save(draw(results, figure), [tmp_path / "a.png"], 40)


def test_the_report_shows_what_little_there_is(results: Path) -> None:
    assert ">nan" not in report(results, [])


def test_every_chart_is_built_or_left_out(results: Path, caplog: pytest.LogCaptureFixture) -> None:
    charts_of(results)
    assert "not built" not in caplog.text


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("figure", [name for name, reads in READS.items() if reads])
def test_every_figure_takes_an_empty_table(whole: Path, tmp_path: Path, figure: str, how: str) -> None:
    shutil.copytree(whole, tmp_path / "results")
    path = tmp_path / "results" / READS[figure]
    write_csv(path, emptied(read_table(path), how))
    if figure == "throughput" and how != "no values":
        with pytest.raises(UserError, match=r"throughput\.csv: no row for"):  # its runs exist
            draw(tmp_path / "results", figure)
        return
    drawn = draw(tmp_path / "results", figure)
    save(drawn, [tmp_path / "a.png"], 40)
    assert "nan" not in texts(drawn).lower().split()


@pytest.mark.parametrize("how", ["whole", "empty", "one row", "no values"])
@pytest.mark.parametrize("figure", ["replay_waste", "batched_requests"])
def test_figures_of_replays_draw_what_little_there_is(tmp_path: Path, figure: str, how: str) -> None:
    own = scenario("mine", requests=1)
    path = write_replays(tmp_path, replayed(own, Trace.of([3], [1]), "mine"))
    if how != "whole":
        write_csv(path, emptied(read_table(path), how))
    given = {"table": str(path), "published": str(PUBLISHED)}
    drawn = run_plot(figure, given, {"scenario": "mine"})
    save(drawn, [tmp_path / "a.png"], 40)
    assert "nan" not in texts(drawn).lower().split()
    assert ("No policy" in texts(drawn)) == (how == "empty" or (how == "no values" and figure == "batched_requests"))


@pytest.mark.parametrize("how", ["whole", "empty", "one row", "no values"])
def test_hit_rates_draw_what_little_there_is(tmp_path: Path, how: str) -> None:
    own, trace = scenario("mine", requests=1) | {"hit_rate": {}}, Trace.of([3], [1])
    found = hit_rates("mine", own, trace)
    write_csv(tmp_path / "hit_rates.csv", found if how == "whole" else emptied(found, how))
    given = {
        "table": str(tmp_path / "hit_rates.csv"),
        "replays": str(write_replays(tmp_path, replayed(own, trace, "mine"))),
    }
    drawn = run_plot("hit_rate", given, {"scenario": "mine"})
    save(drawn, [tmp_path / "a.png"], 40)
    assert "nan" not in texts(drawn).lower().split()
    assert (NOTHING in texts(drawn)) == (how in ("empty", "no values"))


@pytest.mark.parametrize("how", ["whole", "empty", "one row", "no values"])
def test_fleets_draw_what_little_there_is(tmp_path: Path, how: str) -> None:
    own = fleet_scenario("mine", requests=2, fleet={"replicas": [1, 2]})
    found = fleet_table(fleet_record(own, name="mine"))
    write_csv(tmp_path / "fleets.csv", found if how == "whole" else emptied(found, how))
    drawn = run_plot("fleet", {"table": str(tmp_path / "fleets.csv")}, {"scenario": "mine"})
    save(drawn, [tmp_path / "a.png"], 40)
    assert "nan" not in texts(drawn).lower().split()
    assert (NO_FLEET in texts(drawn)) == (how in ("empty", "no values"))


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("memory", [1, None])
def test_the_largest_batch_of_one_shape_and_of_none(tmp_path: Path, count: int, memory: int | None) -> None:
    conditions = read_conditions(SHAPES)
    found = curves(dict(list(read_shapes(SHAPES).items())[:count]), conditions, 0.5)
    if memory:
        found = [dataclasses.replace(one, paged=(0,) * len(one.paged), reserved=(0,) * len(one.paged)) for one in found]
    drawn = largest_batch.draw(found, conditions, 0.5)
    save(drawn, [tmp_path / "a.png"], 40)
    assert ("No model" in texts(drawn)) == (not count or bool(memory))


def test_lengths_of_no_request(tmp_path: Path) -> None:
    drawn = workload_lengths.draw(dict.fromkeys(workload_lengths.LINES, np.array([], dtype=int)))
    save(drawn, [tmp_path / "a.png"], 40)
    assert "No request" in texts(drawn)


def test_what_one_token_leaves_undefined_is_empty_and_not_zero(tmp_path: Path) -> None:
    write_results(tmp_path, few(1), repeats=2)
    tables = {path.stem: read_table(path) for path in (tmp_path / "tables").glob("*.csv")}
    gaps = tables["latency"][tables["latency"]["metric"] == "time_per_output_token"]
    assert len(gaps)
    assert (gaps["samples"] == 0).all()
    assert gaps[["median_s", "p90_s", "min_s", "max_s"]].isna().all(axis=None)
    assert tables["repeats"]["time_per_output_token_median_s"].isna().all()
    assert (tables["repeats"]["time_to_first_token_median_s"] > 0).all()
    assert tables["roofline"].empty
    assert (tables["throughput"]["output_tokens_per_s_median"] > 0).all()
    assert "No decoding step" in texts(draw(tmp_path, "roofline"))


@pytest.mark.parametrize("how", HOW)
def test_the_report_takes_empty_tables(whole: Path, tmp_path: Path, how: str) -> None:
    shutil.copytree(whole, tmp_path / "results")
    for path in (tmp_path / "results/tables").glob("*.csv"):
        write_csv(path, emptied(read_table(path), how))
    assert ">nan" not in report(tmp_path / "results", [])
