"""Documents of small simulated runs: what a reader of the document counts is what kv.parquet has."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest
from builders.changed_runs import changed_record, replace_rows
from builders.mapped_runs import every_block, mapped_run, with_stride, workload_of
from builders.read_maps import PARTS, counts_of, recorded_of, tables_of, tokens_of
from builders.simulated_requests import Request, make_requests

from kvbench.blockmap.document import NO_BLOCKS, make, write
from kvbench.blockmap.packing import unpacked
from kvbench.files import read_parquet
from kvbench.kv.checks import AccountingError

REQUESTS = make_requests(12)
ENGINES = ("hf-batch", "hf-static", "hf-continuous", "vllm-contiguous", "vllm")


def document_of(root: Path, requests: list[Request], *engines: str, **given) -> dict:
    runs = [mapped_run(root, engine, requests, **given) for engine in engines]
    return make("m", "mixed", runs, workload_of(requests, root), root / "model.json")


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict:
    return document_of(tmp_path_factory.mktemp("runs"), REQUESTS, *ENGINES, slots=544)


def test_vllm_comes_first_and_its_best_contiguous_partner_second(document: dict) -> None:
    assert [side["engine"] for side in document["sides"]] == [
        *("vllm", "vllm-contiguous", "hf-continuous"),
        *("hf-batch", "hf-static"),
    ]
    assert [side["form"] for side in document["sides"]] == [*["paged"] * 3, *["rows"] * 2]


@pytest.mark.parametrize("number", range(len(ENGINES)))
def test_what_is_shown_of_each_step_adds_up_to_what_was_recorded(document: dict, number: int) -> None:
    side = document["sides"][number]
    assert counts_of(side) == recorded_of(side)
    assert max(side["live"]) > 0
    assert {len(side[name]) for name in ("t_us", "changes", "running", *PARTS)} == {len(side["waiting"])}


def test_the_recorded_arrays_are_those_of_kv_parquet(document: dict, tmp_path: Path) -> None:
    path = mapped_run(tmp_path, "vllm", REQUESTS, slots=544)
    kv = read_parquet(path.parent / "kv.parquet").to_pandas()
    kv = kv[kv["phase"] == "blocks"]
    side = document["sides"][0]
    for name in ("running", "waiting", *PARTS):
        assert side[name] == kv[name].tolist(), name
    assert side["t_us"][0] == 0
    times = (kv["t_ns"] - kv["t_ns"].iloc[0]) // 1000
    assert sum(side["t_us"]) == pytest.approx(times.iloc[-1], abs=1)


def test_tables_are_those_of_blocks_parquet(document: dict, tmp_path: Path) -> None:
    for number, engine, first in ((0, "vllm", 1), (2, "hf-continuous", 2)):
        path = mapped_run(tmp_path, engine, REQUESTS, slots=544)
        blocks = read_parquet(path.parent / "blocks.parquet").to_pandas()
        side = document["sides"][number]
        tables = list(tables_of(side))
        places = {request.id: place for place, request in enumerate(REQUESTS)}
        assert len(blocks) == sum(map(len, tables))
        for row in blocks.itertuples():
            held = tables[row.step][places[row.request_id]]
            assert [cell + side["first_block"] for cell in held] == list(row.block_ids)
            assert tokens_of(side, places[row.request_id], row.step) == row.computed_tokens
        assert side["first_block"] == first


def test_events_are_those_of_the_run(document: dict) -> None:
    for side in document["sides"]:
        kinds = side["events"][1::3]
        assert 1 not in kinds, "added blocks follow from the changes"
        assert kinds.count(2) == len(REQUESTS)
        assert kinds.count(0) == len(REQUESTS) + kinds.count(3)
        assert all(a <= b for a, b in pairwise(side["events"][::3]))
    assert document["sides"][0]["events"][1::3].count(3) > 0


def test_a_small_run_is_what_one_counts_by_hand(tmp_path: Path) -> None:
    """3 blocks of 32: `a` grows from 31 tokens to 34 and takes a second block at its third step; `b` runs one step."""
    requests = [Request("a", 31, 4), Request("b", 40, 2)]
    side = document_of(tmp_path, requests, "vllm", slots=4 * 32)["sides"][0]
    assert side["changes"] == [[0, 0, 0, 1, 0, 1, 1, 1, 2], [], [0, 1, 3, 1, -1, -1], [], [0, -1, -1]] or side[
        "changes"
    ] == [[0, 0, 0, 1, 0, 1, 1, 1, 2], [], [1, -1, -1, 0, 1, 3], [], [0, -1, -1]]
    assert side["tokens"] == [[0, 31, 4, -1], [0, 40, 2, -1]]
    assert side["final"] == [34, 41]
    assert side["live"] == [71, 73, 33, 34, 0]
    assert side["events"] == [0, 0, 0, 0, 0, 1, 1, 2, 1, 3, 2, 0]


def test_rows_are_what_one_counts_by_hand(tmp_path: Path) -> None:
    requests = [Request("a", 3, 2), Request("b", 5, 3)]
    root = document_of(tmp_path, requests, "vllm", "hf-batch", slots=64)
    side = root["sides"][1]
    assert side["changes"] == [[0, 0, 0, 1, 0, 1], [], [], [0, -1, -1, 1, -1, -1]]
    assert side["width"] == [5, 6, 7, 0]
    assert side["pads"] == [2, 0]
    assert side["tokens"] == [[0, 3, 3, -1], [0, 5, 3, -1]]
    assert side["finished"] == [0, 0, 7, 0]
    assert (side["cells"], side["cell_slots"], side["pool_slots"]) == (2, None, 64)


@pytest.mark.parametrize("every", [2, 3, 7])
def test_with_a_stride_the_steps_that_were_read_add_up(tmp_path: Path, every: int) -> None:
    path = mapped_run(tmp_path, "vllm", REQUESTS, slots=544)
    with_stride(path, every)
    _add_untimed_requests(path)
    [side] = make("m", "mixed", [path], workload_of(REQUESTS, tmp_path), tmp_path / "model.json")["sides"]
    assert side["every"] == every
    assert f"every {every} steps" in side["source"]
    counted, recorded = counts_of(side), recorded_of(side)
    assert counted[::every] == recorded[::every]


def test_a_request_between_two_readings_is_complete_after_it(tmp_path: Path) -> None:
    requests = [Request("a", 10, 30), Request("b", 500, 1), Request("c", 9, 2)]
    path = mapped_run(tmp_path, "vllm", requests, slots=512)
    with_stride(path, 40)
    _add_untimed_requests(path)
    side = make("m", "mixed", [path], workload_of(requests, tmp_path), tmp_path / "model.json")["sides"][0]
    assert len(side["tokens"][1]) == len(side["tokens"][2]) == 4
    assert side["events"][1::3].count(2) == 3


def test_without_a_run_that_read_blocks_there_is_no_map_but_a_reason(tmp_path: Path) -> None:
    path = mapped_run(tmp_path, "vllm", REQUESTS, slots=544)
    rows = mapped_run(tmp_path, "hf-batch", REQUESTS, slots=544)
    workload = workload_of(REQUESTS, tmp_path)
    blocks = path.parent / "blocks.parquet"
    replace_rows(blocks, read_parquet(blocks).to_pandas().iloc[:0])
    for runs in ([path, rows], [rows], []):
        found = make("m", "mixed", runs, workload, tmp_path / "model.json")
        assert (found["sides"], found["tour"], found["reason"]) == ([], [], NO_BLOCKS)
    with changed_record(path) as record:
        record["repeats"] = []
    assert make("m", "mixed", [path], workload, tmp_path / "model.json")["sides"] == []


def test_one_request_and_names_with_markup(tmp_path: Path) -> None:
    requests = [Request("<b>" + "n" * 100, 40, 1)]
    found = document_of(tmp_path, requests, "vllm", "hf-batch")
    assert [counts_of(side) == recorded_of(side) for side in found["sides"]] == [True, True]
    assert found["requests"][0]["id"] == requests[0].id
    assert all("n" * 41 not in stop["text"] for stop in found["tour"])
    write(tmp_path / "map.json.gz", found)
    written = json.loads(gzip.decompress((tmp_path / "map.json.gz").read_bytes()))
    assert written | {"sides": [unpacked(side) for side in written["sides"]]} == found


def test_the_same_document_gives_the_same_bytes(document: dict, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.json.gz", document)
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_a_run_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    workload = workload_of(REQUESTS, tmp_path)

    def refused(path: Path, match: str) -> None:
        with pytest.raises(AccountingError, match=match):
            make("m", "mixed", [path, good], workload, tmp_path / "model.json")

    good = mapped_run(tmp_path / "good", "vllm", REQUESTS, slots=544)
    path = mapped_run(tmp_path, "hf-batch", REQUESTS, slots=544)
    kv = path.parent / "kv.parquet"
    rows = read_parquet(kv).to_pandas()
    replace_rows(kv, rows.assign(live=rows["live"] + 1, padding=rows["padding"] - 1))
    refused(path, "live slots of rows")
    replace_rows(kv, rows.assign(running=rows["running"] + 1))
    refused(path, "requests in rows")
    path = mapped_run(tmp_path, "hf-continuous", REQUESTS, slots=544)
    every_block(path, lambda ids: [ids[0]] * len(ids))
    refused(path, "slots of distinct blocks")
    path = mapped_run(tmp_path, "hf-continuous", REQUESTS, slots=544)
    every_block(path, lambda ids: [block + 90 for block in ids])
    refused(path, "cells beyond the pool")
    path = mapped_run(tmp_path, "hf-continuous", REQUESTS, slots=544)
    kv = path.parent / "kv.parquet"
    rows = read_parquet(kv).to_pandas()
    replace_rows(kv, rows.assign(waiting=rows["waiting"] + 1))
    refused(path, "requests that were served")


def _add_untimed_requests(path: Path) -> None:
    """requests.parquet has the rows of the pass that read block ids too, at that pass's own times."""
    file = path.parent / "requests.parquet"
    rows = read_parquet(file).to_pandas()
    kv = read_parquet(path.parent / "kv.parquet").to_pandas()
    with changed_record(path) as record:
        [blocks] = [repeat for repeat in record["repeats"] if repeat["phase"] == "blocks"]
    timed = rows[rows["repeat"] == 1].copy()
    times = [kv[kv["repeat"] == number].reset_index()["t_ns"] for number in (1, blocks["repeat"])]
    steps = times[0].searchsorted(timed["finish_s"] * 1e9 + times[0][0] - 1, side="right") - 1
    timed["finish_s"] = (times[1].to_numpy()[steps] + 1 - blocks["start_ns"]) / 1e9
    import pandas as pd

    replace_rows(file, pd.concat([rows, timed.assign(repeat=blocks["repeat"])]))


def test_a_request_that_an_engine_does_not_have_yet_does_not_wait(tmp_path: Path) -> None:
    """An engine in a process of its own begins before the last two requests have come to it."""
    path = mapped_run(tmp_path, "vllm", REQUESTS, slots=544)
    kv = path.parent / "kv.parquet"
    rows = read_parquet(kv).to_pandas()
    early = (rows["phase"] == "blocks") & (rows["step"] < 3)
    replace_rows(kv, rows.assign(waiting=rows["waiting"] - 2 * early))
    side = make("m", "mixed", [path], workload_of(REQUESTS, tmp_path), tmp_path / "model.json")["sides"][0]
    assert side["arrives"] == [0] * 10 + [3, 3]
    assert counts_of(side) == recorded_of(side)
