"""The picture of a block map: its words, its numbers and its moments, from documents counted by hand."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.block_maps import paged_side, requests_of, rows_side, simulate
from builders.places import SCRIPTS
from PIL import Image

from kvbench.errors import UserError
from kvbench.report.film import animation, moments
from kvbench.report.picture import heading, moment, picture_page, table, title


def side(engine: str, **changed: Any) -> dict[str, Any]:
    """Three steps at 1, 2 and 4 s: two requests run, then one, then none."""
    found = {"engine": engine, "form": "paged", "cells": 4, "cell_slots": 8, "pool_slots": 32, "slot_bytes": 2**16}
    slots = {"live": [6, 9, 0], "reserved": [4, 1, 0], "internal": [6, 6, 0], "padding": [0] * 3, "finished": [0] * 3}
    return {**found, **slots, "t_us": [10**6, 10**6, 2 * 10**6], "running": [2, 1, 0], "waiting": [1, 0, 0], **changed}


def document(*sides: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "workload": "w", "requests": [{}] * 3, "sides": list(sides)}


def test_the_words_are_from_the_document() -> None:
    reserved = side("vllm-contiguous", cells=1, cell_slots=32)
    assert title(document(side("vllm"), reserved)) == "The same 3 requests in the same 2 MiB of KV cache"
    assert heading(side("vllm")) == "Paged: blocks of 8 tokens on demand"
    assert heading(reserved) == "Contiguous: 32 tokens reserved per request"
    assert heading(side("vllm", block_tokens=4)) == "Paged: blocks of 4 tokens on demand"
    assert heading(side("hf-static", form="rows", cell_slots=None)) == "Contiguous: a row for each request"


def test_both_sides_are_counted_at_one_instant() -> None:
    late = side("vllm-contiguous", t_us=[10**6 + 5, 10**6, 10**6], live=[1, 2, 3])
    shown = table(document(side("vllm"), late), moment(document(side("vllm"))))
    assert list(shown["step"]) == [1, 0]
    assert list(shown["time_s"]) == [2.0, 2.0]
    assert list(shown["served"]) == [2, 0]
    assert list(shown["live_slots"]) == [9, 1]
    assert list(shown["live_share"]) == [9 / 16, 1 / 11]
    assert list(shown["served_s"]) == [6.0, 4.000005]


def test_expired_slots_and_page_padding_are_taken_too() -> None:
    kinds = side("vllm", expired=[2, 3, 0], page_padding=[1, 1, 0])
    shown = table(document(kinds, side("vllm-contiguous")), 1)
    assert list(shown["allocated_slots"]) == [9 + 1 + 6 + 3 + 1, 9 + 1 + 6]
    assert list(shown["live_share"]) == [9 / 20, 9 / 16]


@pytest.mark.parametrize(("begin", "step"), [(10**7, 0), (0, 2)], ids=["not begun", "over"])
def test_a_moment_at_which_a_side_serves_nothing_is_refused(begin: int, step: int) -> None:
    other = side("hf-batch", t_us=[begin, 1, 1])
    with pytest.raises(UserError, match="hf-batch served nothing"):
        table(document(side("vllm"), other), step)


@pytest.mark.parametrize("step", [-1, 3])
def test_a_step_that_there_is_not_is_refused(step: int) -> None:
    with pytest.raises(UserError, match=f"--step {step}: vllm has the steps 0 to 2"):
        table(document(side("vllm"), side("hf-batch")), step)


def test_a_films_moments_are_of_the_slower_side_and_each_is_shown_once() -> None:
    slow = side("hf-batch", t_us=[5 * 10**5, *[10**6] * 9])
    found = moments(document(side("vllm"), slow), 6)
    assert {number for number, *_ in found} == {1}
    assert found[0] == (1, 1, 1.5)  # the first step of this side at which the other has begun
    assert found[-1] == (1, 9, 9.5)
    steps = [step for _, step, _ in found]
    assert steps == sorted(set(steps))
    assert len(moments(document(side("vllm"), slow), 1000)) == 9


def png(colour: tuple[int, int, int]) -> bytes:
    picture = Image.new("RGB", (40, 20), "white")
    picture.paste(colour, (0, 0, 10, 10))
    written = io.BytesIO()
    picture.save(written, "png")
    return written.getvalue()


def test_a_film_keeps_white_white_and_rests_at_its_end() -> None:
    film = Image.open(io.BytesIO(animation([png((200, 0, 0)), png((0, 0, 200)), png((0, 160, 0))])))
    assert (film.n_frames, film.info["loop"]) == (3, 0)
    durations = []
    for number in range(3):
        film.seek(number)
        assert film.convert("RGB").getpixel((30, 15)) == (255, 255, 255)
        durations.append(film.info["duration"])
    assert np.argmax(film.convert("RGB").getpixel((5, 5))) == 1
    assert durations[0] == durations[1] < durations[2]


def test_a_file_without_two_sides_is_refused(tmp_path: Path) -> None:
    requests = requests_of(4)
    one = simulate(requests, paged_side(requests, blocks=30))
    path = tmp_path / "w.json.gz"
    path.write_bytes(gzip.compress(json.dumps(one.document).encode()))
    with pytest.raises(UserError, match="a picture needs two engines"):
        picture_page(path)
    path.write_bytes(gzip.compress(b"{"))
    with pytest.raises(UserError, match="not a map of blocks"):
        picture_page(path)


def test_markup_in_names_stays_text(tmp_path: Path) -> None:
    requests = requests_of(4)
    both = simulate(requests, paged_side(requests, blocks=30), rows_side(requests, rows=2, width=200))
    path = tmp_path / "w.json.gz"
    path.write_bytes(gzip.compress(json.dumps(both.document | {"model": "<b>&"}).encode()))
    assert "<b>&" not in picture_page(path)


def test_the_map_of_the_last_run_is_taken_if_it_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.delitem(sys.modules, "picture", raising=False)
    import picture

    with pytest.raises(UserError, match="no map; run an experiment first"):
        picture.only_map(tmp_path)
    first = tmp_path / "m/a.json.gz"
    first.parent.mkdir()
    first.touch()
    assert picture.only_map(tmp_path) == first
    (tmp_path / "m/b.json.gz").touch()
    with pytest.raises(UserError, match=r"name one of .*a\.json\.gz, .*b\.json\.gz"):
        picture.only_map(tmp_path)
