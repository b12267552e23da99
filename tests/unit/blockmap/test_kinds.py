"""Maps of a model whose layers differ: a hand-made pass counted slot by slot, and mistakes that must be found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.changed_runs import changed_record, replace_rows
from builders.hybrid_runs import LENGTHS, hybrid_document, hybrid_documents, shared_hybrid_document
from builders.read_maps import counts_of, parts_of, recorded_of, slots_by_kind, tables_of
from builders.requests import requests_of
from builders.served_passes import map_of_records

from kvbench.blockmap.packing import packed, unpacked
from kvbench.files import read_parquet, write_parquet
from kvbench.kv.checks import AccountingError
from kvbench.kv.groups import SLIDING, LayerGroup


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict[str, Any]:
    return hybrid_documents(tmp_path_factory.mktemp("runs"))


def side_of(document: dict[str, Any], engine: str) -> dict[str, Any]:
    return next(side for side in document["sides"] if side["engine"] == engine)


def test_pages_are_what_one_counts_by_hand(document: dict[str, Any]) -> None:
    """In step 2 `r0` has 12 tokens, of which 7 are in the window; each table of it gave the first of 3 blocks back.

    These hold 8 tokens, one of them expired, in pages of 2 layers, of which the second table uses 1.
    """
    side = side_of(document, "vllm")
    assert side["tables"] == [
        {"group": 0, "units": 2, "pages": 1, "ring": False},
        {"group": 0, "units": 1, "pages": 1, "ring": False},
        {"group": 1, "units": 2, "pages": 1, "ring": False},
    ]
    assert (side["cells"], side["cell_slots"], side["block_tokens"], side["pool_slots"]) == (30, 8, 4, 240)
    assert side["changes"][2] == [3, -1, -1, 4, -1, -1, 5, -1, -1, 0, 0, -1, 1, 0, -1]
    assert side["changes"][3] == [0, 3, 4, 1, 3, 14, 2, 3, 24]
    held = {part: side[part][2] for part in parts_of(side)}
    assert held == {"live": 45, "reserved": 0, "internal": 0, "padding": 0, "finished": 0} | {
        "expired": 3,
        "page_padding": 8,
    }
    sliding, full = side["groups"]
    assert [(kind["kind"], kind["window"], kind["layers"], kind["units"]) for kind in side["groups"]] == [
        ("sliding", 8, 3, 3),
        ("full", None, 2, 2),
    ]
    assert (sliding["live"][2], sliding["expired"][2], sliding["page_padding"][2]) == (21, 3, 8)
    assert (full["live"][2], full["expired"][2], full["page_padding"][2]) == (24, 0, 0)


def test_blocks_of_unequal_size_are_whole_pages_of_the_pool(document: dict[str, Any]) -> None:
    """Transformers keeps a ring: `r0` never has more than two blocks of three pages for its layers with a window."""
    side = side_of(document, "hf-continuous")
    assert [(table["pages"], table["ring"]) for table in side["tables"]] == [(3, True), (2, False)]
    assert (side["cells"], side["cell_slots"], side["first_block"]) == (60, 4, 12)
    assert side["changes"][0] == [0, 0, 0, 0, 1, 3, 1, 0, 24, 1, 1, 26, 1, 2, 28, 2, 0, 6, 3, 0, 30]
    assert side["changes"][3] == [1, 3, 32]
    assert (side["live"][3], side["expired"][3], side["reserved"][3]) == (3 * 7 + 2 * 13, 3, 2 * 3)


def test_rows_have_a_width_for_each_kind_of_layers(document: dict[str, Any]) -> None:
    side = side_of(document, "hf-batch")
    assert [kind["width"] for kind in side["groups"]] == [[10, *[8] * 7, 0], [*range(10, 18), 0]]
    assert side["width"][:3] == [3 * 10 + 2 * 10, 3 * 8 + 2 * 11, 3 * 8 + 2 * 12]
    assert side["expired"][:2] == [3 * 3, 3 * 1]
    assert side["padding"][:3] == [7 * 5, 3 * 4 + 2 * 7, 0]


@pytest.mark.parametrize("engine", ["vllm", "hf-continuous", "hf-batch"])
def test_what_is_shown_of_each_step_adds_up_by_kind_too(document: dict[str, Any], engine: str) -> None:
    side = side_of(document, engine)
    assert counts_of(side) == recorded_of(side)
    ended = [set() if side["form"] == "paged" or step < 2 else {1} for step in range(len(side["t_us"]))]
    for step, tables in enumerate(tables_of(side)):
        for kind, found in zip(side["groups"], slots_by_kind(side, tables, ended[step], step), strict=True):
            assert {part: kind[part][step] for part in parts_of(side)} == found


def test_a_single_kind_with_a_window_has_pages_of_all_layers(tmp_path: Path) -> None:
    document = hybrid_document(tmp_path, (LayerGroup(SLIDING, 4, 2, 8),))
    [side] = document["sides"]
    assert counts_of(side) == recorded_of(side)
    assert side["groups"] == [{"kind": "sliding", "window": 8, "layers": 4, "units": 1}]
    assert (side["live"][2], side["expired"][2], side["cell_slots"]) == (7, 1, 4)


def test_a_shared_block_counts_as_that_of_the_request_that_filled_it(tmp_path: Path) -> None:
    """In step 2 the first token has left the window of both: 3 slots are expired, once, in blocks of the first request.

    9 pages of 8 slots are held. Of the table of one layer, 3 of them use half of their slots.
    """
    [side] = shared_hybrid_document(tmp_path)["sides"]
    assert "live" not in side["groups"][0], "kv.parquet has no kinds of shared blocks"
    assert (side["expired"], side["page_padding"]) == ([0, 0, 3, 0], [12, 12, 12, 0])
    assert side["live"] == [9 * 8 - 12 - 2 * 2 * 5, 9 * 8 - 12 - 2 * 1 * 5, 9 * 8 - 12 - 3, 0]
    file = tmp_path / "blocks.parquet"
    rows = read_parquet(file).to_pandas()
    replace_rows(file, rows.assign(prefix_hit_tokens=4))
    refused(tmp_path, "live slots of blocks", [(6, 3), (6, 3)])


def test_packed_tables_come_back(document: dict[str, Any]) -> None:
    for side in document["sides"]:
        assert json.loads(json.dumps(unpacked(packed(side)))) == side


def test_the_tour_tells_of_tables_and_windows(document: dict[str, Any]) -> None:
    texts = {stop["title"]: stop["text"] for stop in document["tour"] if stop["side"] == 0}
    assert "in 9 blocks of 4 tokens, in 3 block tables, one for each group of layers" in texts["The first block"]
    assert texts["Tokens leave a window"].endswith(
        "request r0 has 12 tokens. Layers with a window of 8 no longer attend to its first 4, and it gives 2 blocks of "
        "these back, block 1 first. The other 7 it keeps."
    )
    assert (
        "Token 13 goes into one more in 3 of its 3 block tables, block 5 first"
        in (texts["A request crosses the edge of a block"])
    )
    assert (
        "63 of 96 allocated slots, each for one token in one layer, hold a token that a later one attends to"
        in (texts["The most requests at once"])
    )


def refused(folder: Path, match: str, lengths: Sequence[tuple[int, int]] = LENGTHS) -> None:
    with pytest.raises(AccountingError, match=match):
        map_of_records([folder / "run.json"], requests_of(lengths))


def change_kv(folder: Path, **changes: Any) -> None:
    file = folder / "kv.parquet"
    rows = read_parquet(file).to_pandas()
    replace_rows(file, rows.assign(**{name: change(rows) for name, change in changes.items()}))


def test_a_block_that_was_given_back_and_still_stands_in_a_table_is_found(tmp_path: Path) -> None:
    hybrid_document(tmp_path)
    file = tmp_path / "blocks.parquet"
    rows = read_parquet(file).to_pandas()
    rows["block_ids"] = [[29 if block == 0 else block for block in ids] for ids in rows["block_ids"]]
    replace_rows(file, rows)
    refused(tmp_path, "slots of distinct blocks")


def test_a_missing_table_is_found(tmp_path: Path) -> None:
    hybrid_document(tmp_path)
    file = tmp_path / "blocks.parquet"
    rows = read_parquet(file).to_pandas()
    replace_rows(file, rows.drop(index=1))
    refused(tmp_path, "block tables of a request")


def test_another_window_is_found(tmp_path: Path) -> None:
    hybrid_document(tmp_path, (LayerGroup(SLIDING, 4, 2, 8),))
    with changed_record(tmp_path / "run.json") as record:
        record["groups"][0]["window"] = 7
    refused(tmp_path, "live slots of blocks")


def test_expired_slots_that_count_as_live_are_found(tmp_path: Path) -> None:
    hybrid_document(tmp_path, (LayerGroup(SLIDING, 4, 2, 8),))
    change_kv(tmp_path, live=lambda kv: kv["live"] + kv["expired"], expired=lambda kv: 0 * kv["expired"])
    refused(tmp_path, "live slots of blocks")


def test_slots_of_kinds_that_are_not_those_of_the_row_are_found(tmp_path: Path) -> None:
    hybrid_document(tmp_path)
    change_kv(tmp_path, live=lambda kv: kv["live"] - 1, expired=lambda kv: kv["expired"] + 1)
    refused(tmp_path, "live slots of all kinds of layers")


def test_slots_of_another_kind_are_found(tmp_path: Path) -> None:
    """A slot of the layers with a window is said to be one of the others: the sums of the row still hold."""
    hybrid_document(tmp_path)

    def moved(kv: Any) -> list[Any]:
        found = [None if kinds is None else [dict(kind) for kind in kinds] for kinds in kv["groups"]]
        for name in ("live", "allocated"):
            found[2][0][name] -= 1
            found[2][1][name] += 1
        return found

    change_kv(tmp_path, groups=moved)
    refused(tmp_path, "live slots of blocks of sliding layers")


def test_a_run_of_before_there_were_kinds_is_read_as_one_group(tmp_path: Path) -> None:
    """Its files lack the columns of groups, and run.json the groups."""
    groups = (LayerGroup("full", 4, 2),)
    now = hybrid_document(tmp_path, groups)
    for name, columns in (("kv", ["groups", "expired", "page_padding"]), ("blocks", ["group"])):
        file = tmp_path / f"{name}.parquet"
        write_parquet(file, read_parquet(file).drop_columns(columns))
    with changed_record(tmp_path / "run.json") as record:
        del record["groups"]
    before = map_of_records([tmp_path / "run.json"], requests_of(LENGTHS))
    assert before == now
    assert not {"groups", "tables", "expired", "page_padding", "block_tokens"} & set(now["sides"][0])
    assert np.sum(now["sides"][0]["live"]) > 0
