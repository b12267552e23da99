"""A headless Chromium. Without a browser these tests are skipped, or fail where KVBENCH_BROWSER is `required`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.block_map_pages import write_page
from builders.block_maps import Simulated, paged_side, requests_of, rows_side, simulate
from builders.shown_maps import shown
from playwright.sync_api import sync_playwright

from kvbench.report.browser import executable

LOCAL = ("file://", "blob:null/")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = executable()
    if path is None:
        missing = "no browser: install Debian's chromium or set CHROMIUM to one"
        (pytest.fail if os.environ.get("KVBENCH_BROWSER") == "required" else pytest.skip)(missing)
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address. At the end: no message on the console, no error, no request but for files and own workers."""
    pages, wrong = [], []

    def opened(address: str, *, width: int = 1280, height: int = 900, **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height}, **options)
        page.set_default_timeout(10_000)
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda request: request.url.startswith(LOCAL) or wrong.append(f"request: {request.url}"))
        page.goto(address)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    """Memory binds: requests wait and are preempted; the same requests in three rows and in growing batches."""
    requests = requests_of()
    paged = paged_side(requests, blocks=30, block_size=16, chunk=48)
    rows = rows_side(requests, rows=3, width=160, pool_slots=480)
    growing = rows_side(requests, engine="hf-batch", rows=3, width=None, pool_slots=480)
    tour = [
        {"title": "The first", "text": "It comes.", "side": 0, "step": 2, "request": 1, "cell": None},
        {"title": "A row", "text": "It is long.", "side": 2, "step": 9, "request": None, "cell": 1},
    ]
    return simulate(requests, paged, rows, growing, tour=tour)


@pytest.fixture
def opened(simulated: Simulated, tmp_path: Path, open_page: Callable[..., Any]) -> Any:
    return shown(open_page(write_page(tmp_path / "page.html", {"map": simulated.document})))
