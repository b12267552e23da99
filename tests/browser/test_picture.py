"""The picture of a map shows what the document holds, and its command writes all three files."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builders.block_maps import Simulated
from builders.places import SCRIPTS
from PIL import Image

from kvbench.report.picture import picture_page, table

STEP = 12


@pytest.fixture
def map_file(simulated: Simulated, tmp_path: Path) -> Path:
    path = tmp_path / "maps/tiny/mixed.json.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(json.dumps(simulated.document).encode()))
    return path


def test_the_picture_has_the_numbers_of_the_document(
    simulated: Simulated, map_file: Path, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    expected = table(simulated.document, STEP)
    (tmp_path / "picture.html").write_text(picture_page(map_file), encoding="utf-8")
    page = open_page((tmp_path / "picture.html").as_uri() + "#map=tiny/mixed&show=1,0")
    page.evaluate("prepare()")
    page.evaluate(f"frame(0, {STEP}, 1.25)")
    assert page.locator("#clock").inner_text() == "after 1.3 s"
    figures = page.locator("[data-part=side]")
    assert figures.locator("[data-part=engine]").all_inner_texts() == [
        "Contiguous: a row for each request",
        "Paged: blocks of 16 tokens on demand",
    ]
    for place, row in zip((1, 0), expected.itertuples(), strict=True):
        told = {
            name: figures.nth(place).locator(f"[data-told={name}] b").inner_text()
            for name in ("running", "waiting", "served", "share")
        }
        numbers = {"running": row.running, "waiting": row.waiting, "served": row.served}
        assert told == {name: str(value) for name, value in numbers.items()} | {"share": f"{row.live_share:.0%}"}
        assert figures.nth(place).locator(".queue i").count() == row.waiting
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_side_that_has_served_all_says_when(
    simulated: Simulated, map_file: Path, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "picture.html").write_text(picture_page(map_file), encoding="utf-8")
    page = open_page((tmp_path / "picture.html").as_uri() + "#map=tiny/mixed&show=1,0")
    page.evaluate("prepare()")
    served = table(simulated.document, STEP)["served_s"]
    page.evaluate(f"frame({served.argmax()}, 10 ** 6, {served.max()})")
    assert f"All served after {served.min():.1f} s" in page.locator(".queue b").all_inner_texts()


@pytest.mark.usefixtures("browser")
def test_the_command_writes_a_picture_a_film_and_their_numbers(
    simulated: Simulated, map_file: Path, tmp_path: Path
) -> None:
    command = [sys.executable, SCRIPTS / "picture.py", map_file, "--out", tmp_path / "out", "--step", str(STEP)]
    done = subprocess.run([*command, "--frames", "4"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    written = pd.read_csv(tmp_path / "out/block-map.csv")
    assert written["live_slots"].tolist() == table(simulated.document, STEP)["live_slots"].tolist()
    still, film = Image.open(tmp_path / "out/block-map.png"), Image.open(tmp_path / "out/block-map.gif")
    assert still.size == (2 * film.size[0], 2 * film.size[1])
    assert film.n_frames == 4
    assert len(still.convert("RGB").getcolors(1 << 20)) > 50
