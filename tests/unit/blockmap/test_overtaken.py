"""A request that is preempted while its last token is computed, in an engine that schedules a step ahead."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.read_maps import counts_of, recorded_of
from builders.requests import requests_of
from builders.schedules import schedule_of
from builders.served_passes import map_of_pass

from kvbench.blockmap.events import ADMITTED, COMPLETED, PREEMPTED
from kvbench.blockmap.tables import Tables
from kvbench.kv import schedule as recorded
from kvbench.kv.checks import AccountingError

LENGTHS = [(40, 4), (40, 3)]  # prompt and output tokens


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict:
    """Request 1 has its last token in step 2, and is preempted in step 3; request 0 goes on."""
    schedule = schedule_of(
        t_ns=range(5),
        free_blocks=[5, 5, 5, 7, 7],
        running=[2, 2, 2, 1, 1],
        waiting=[0, 0, 0, 1, 0],
        scheduled_tokens=[80, 2, 2, 1, 0],
        dump_length=[2, -1, -1, 1, 0],
        dump_request=[0, 1, 0],
        dump_tokens=[40, 40, 1],
        event_step=[0, 0, 3, 4, 5],
        event_kind=[recorded.ADMITTED, recorded.ADMITTED, recorded.PREEMPTED, recorded.FREED, recorded.FREED],
        event_request=[0, 1, 1, 1, 0],
        event_tokens=[0] * 5,
        block_step=[0, 0, 1, 1, 2, 2, 3, 4],
        block_request=[0, 1, 0, 1, 0, 1, 0, 0],
        block_tokens=[40, 40, 41, 41, 42, 42, 43, 43],
        block_length=[2] * 8,
        block_ids=[1, 2, 3, 4] * 3 + [1, 2] * 2,
        end_ns=6,
    )
    requests = requests_of([(tuple(range(prompt)), output) for prompt, output in LENGTHS])
    generated = SimpleNamespace(schedule=schedule, batches=[])
    folder: Path = tmp_path_factory.mktemp("run")
    return map_of_pass(folder, "vllm", generated, requests, shared=False, slot_bytes=1, block_size=32, blocks=9)


def test_what_is_shown_of_each_step_adds_up_to_what_was_recorded(document: dict) -> None:
    [side] = document["sides"]
    assert side["waiting"] == [0, 0, 0, 1, 0, 0]
    assert side["running"] == [2, 2, 2, 1, 0, 0]
    assert counts_of(side) == recorded_of(side)


def test_it_waits_for_a_step_and_is_complete_without_being_admitted_again(document: dict) -> None:
    [side] = document["sides"]
    assert side["tokens"][1] == [0, 40, 3, 42, 4, -1]
    flat = side["events"]
    events = [(step, kind) for step, kind, request in zip(flat[::3], flat[1::3], flat[2::3], strict=True) if request]
    assert events == [(0, ADMITTED), (2, COMPLETED), (3, PREEMPTED)]


def test_the_tour_does_not_say_that_it_is_computed_again(document: dict) -> None:
    assert not [stop for stop in document["tour"] if "preempted" in stop["title"]]


def test_a_request_without_its_last_token_is_refused() -> None:
    tables = Tables(4, [43])
    tables.read(0, 0, [[1, 2]], 40, 0, False)
    with pytest.raises(AccountingError, match="ended while it waited"):
        tables.overtaken(1, 0)
