"""The stops of a tour: moments that one finds by hand, with their numbers, and none that did not happen."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.block_maps import paged_side, requests_of, rows_side, simulate
from builders.mapped_runs import mapped_run, workload_of
from builders.read_maps import tables_of, tokens_of
from builders.shared_runs import shared_document
from builders.simulated_requests import Request, make_requests

from kvbench.blockmap.document import make
from kvbench.blockmap.tour import spread, tour_of

TITLES = [
    "The first block",
    "A request crosses the edge of a block",
    "One ends, and another takes its blocks",
    "The queue waits for blocks",
    "The same instant without paging",
    "A request is preempted",
    "The most requests at once",
]


def tour(folder: Path, requests: list[Request], *engines: str, slots: int) -> tuple[dict, dict[str, dict]]:
    runs = [mapped_run(folder, engine, requests, slots=slots) for engine in engines]
    document = make("m", "w", runs, workload_of(requests, folder), folder / "model.json")
    return document, {stop["title"]: stop for stop in document["tour"]}


@pytest.fixture(scope="module")
def tight(tmp_path_factory) -> tuple[dict, dict[str, dict]]:
    """A pool so small that requests wait and are preempted."""
    return tour(tmp_path_factory.mktemp("tight"), make_requests(12), "vllm", "hf-static", slots=544)


def test_a_tight_pool_has_every_stop_but_the_prefix_in_order_of_time(tight) -> None:
    document, stops = tight
    assert set(stops) == set(TITLES)
    assert 6 <= len(stops) <= 8
    steps = [stop["step"] for stop in document["tour"] if stop["side"] == 0]
    assert steps == sorted(steps)
    for stop in stops.values():
        assert stop["text"].startswith(f"Step {stop['step']:,}, ")
        assert len(stop["text"]) < 400


def test_a_request_that_crosses_an_edge_has_one_token_in_its_new_block(tight) -> None:
    document, stops = tight
    stop, side = stops["A request crosses the edge of a block"], document["sides"][0]
    tables = list(tables_of(side))
    held = tables[stop["step"]][stop["request"]]
    assert held[-1] == stop["cell"]
    assert tokens_of(side, stop["request"], stop["step"]) == (len(held) - 1) * 32 + 1
    assert held[:-1] == tables[stop["step"] - 1][stop["request"]]
    assert f"block {stop['cell'] + 1}: 1 of its 32 slots" in stop["text"]


def test_a_freed_block_is_taken_after_its_request_has_ended(tight) -> None:
    document, stops = tight
    stop, tables = stops["One ends, and another takes its blocks"], list(tables_of(document["sides"][0]))
    before = [r for r, held in tables[stop["step"] - 1].items() if stop["cell"] in held]
    earlier = {r for step in range(stop["step"]) for r, held in tables[step].items() if stop["cell"] in held}
    assert stop["request"] not in before
    assert earlier
    assert stop["cell"] in tables[stop["step"]][stop["request"]]


def test_the_queue_waits_while_the_free_blocks_do_not_hold_the_next(tight) -> None:
    document, stops = tight
    stop, side = stops["The queue waits for blocks"], document["sides"][0]
    tables = list(tables_of(side))[stop["step"]]
    free = side["cells"] - len({cell for held in tables.values() for cell in held})
    needed = -(-document["requests"][stop["request"]]["prompt_tokens"] // 32)
    assert stop["request"] not in tables
    assert 0 <= free < needed
    assert f"{free:,} of {side['cells']:,} are free" in stop["text"]
    assert side["waiting"][stop["step"]] > 0


def test_the_other_side_is_at_the_same_instant(tight) -> None:
    document, stops = tight
    stop = stops["The same instant without paging"]
    queue = stops["The queue waits for blocks"]
    first, second = document["sides"]
    time = sum(first["t_us"][: queue["step"] + 1])
    assert sum(second["t_us"][: stop["step"] + 1]) <= time < sum(second["t_us"][: stop["step"] + 2])
    assert f"in hf-static, {second['running'][stop['step']]} request" in stop["text"]
    assert f"{second['live'][stop['step']]:,} of " in stop["text"]


def test_what_did_not_happen_is_left_out(tmp_path: Path) -> None:
    """One request of one block: nothing is crossed, freed for another, queued or preempted."""
    _, stops = tour(tmp_path, [Request("a", 4, 3)], "vllm", slots=544)
    assert list(stops) == ["The first block", "The most requests at once"]
    assert "a prompt of 4 tokens" in stops["The first block"]["text"]
    assert "1 block of 32 slots" in stops["The first block"]["text"]
    assert tour_of([], []) == []


def test_a_shared_prefix_names_the_tokens_that_were_found(tmp_path: Path) -> None:
    stops = {stop["title"]: stop for stop in shared_document(tmp_path, [(70, 2), (70, 2)])["tour"]}
    stop = stops["A shared prefix"]
    assert (stop["request"], stop["cell"], stop["step"]) == (1, 0, 0)
    assert "first 64 of its 70 prompt tokens in the cache, in 2 blocks" in stop["text"]


def test_a_tour_of_a_simulation(tmp_path: Path) -> None:
    requests = requests_of()
    found = simulate(requests, paged_side(requests, blocks=20), rows_side(requests, rows=3, width=200))
    titles = [stop["title"] for stop in tour_of(found.document["requests"], found.document["sides"])]
    assert set(titles) <= set(TITLES)
    assert "A request is preempted" in titles


def test_a_short_run_has_one_stop_a_step_where_it_can(tmp_path: Path) -> None:
    """The queue waits and most requests run from the first step on, and again later."""
    requests = requests_of(12)
    side, _ = paged_side(requests, blocks=8)
    stops = tour_of(simulate(requests, (side, [])).document["requests"], [side])
    steps = [stop["step"] for stop in stops]
    assert len(stops) >= 5
    assert len(set(steps)) == len(steps)
    sixteenths = [16 * step // len(side["t_us"]) for step in steps]
    assert len(set(sixteenths)) == len(steps)


def stop(step: int) -> dict:
    return {"step": step}


def test_the_rarest_moment_chooses_first_and_the_others_come_later() -> None:
    side = {"t_us": [0] * 160}
    found = spread({"often": [stop(3), stop(15), stop(40)], "once": [stop(5)], "twice": [stop(9), stop(19)]}, side)
    assert {name: one["step"] for name, one in found.items()} == {"once": 5, "twice": 19, "often": 40}
    found = spread({"often": [stop(5), stop(6)], "once": [stop(5)]}, side)
    assert {name: one["step"] for name, one in found.items()} == {"once": 5, "often": 6}
    assert spread({"a": [stop(5)], "b": [stop(5)]}, side) == {"a": stop(5), "b": stop(5)}


def test_the_step_of_the_first_block_is_left_to_it() -> None:
    """As many requests run in the second step as in the first, and then only one."""
    requests = [Request("long", 20, 60), *(Request(f"r{i}", 20, 2) for i in range(3))]
    side, _ = paged_side(requests, blocks=400, chunk=4096)
    document = simulate(requests, (side, [])).document
    stops = {one["title"]: one["step"] for one in tour_of(document["requests"], [side])}
    assert side["running"][:3] == [4, 4, 1]
    assert (stops["The first block"], stops["The most requests at once"]) == (0, 1)


def test_what_the_first_side_lacks_is_shown_of_another_with_blocks() -> None:
    requests = requests_of()
    wide, tight = paged_side(requests, blocks=400), paged_side(requests, blocks=20, engine="hf-continuous")
    rows = rows_side(requests, rows=3, width=200)
    document = simulate(requests, wide, rows, tight).document
    stops = {one["title"]: one for one in tour_of(document["requests"], document["sides"])}
    lost = stops["A request is preempted"]
    assert lost["side"] == 2
    events = document["sides"][2]["events"]
    preempted = set(zip(events[::3], events[1::3], events[2::3], strict=True))
    assert (lost["step"], 3, lost["request"]) in preempted
    assert lost["text"].startswith(f"Step {lost['step']:,}, ")
    assert " s, in hf-continuous: request " in lost["text"]
    assert stops["The first block"]["side"] == stops["The most requests at once"]["side"] == 0
    del stops["The same instant without paging"]  # comes after the stop that it is compared with
    times = [sum(document["sides"][one["side"]]["t_us"][: one["step"] + 1]) for one in stops.values()]
    assert times == sorted(times)
