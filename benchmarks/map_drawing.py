"""Times of the block map in headless Chromium: a drawn step, a jump, opening it, and a report's first screen.

    python benchmarks/map_drawing.py                                    # 10,000 blocks, 5,000 steps
    python benchmarks/map_drawing.py --report results/report.html       # a report's first screen and size, too
    python benchmarks/map_drawing.py --blocks 1000 --drawn 50

The document is a simulation: requests come in order to a pool that stays nearly full, beside the same pool in blocks of
1,024 slots, one for each request; both sides are drawn. A step is drawn when its script and layout are done. A frame is
the time between two frames of the browser while steps follow each other; it also has painting, and there are at most 60
a second. The map is open when all of it is read and the first step is drawn. The first screen is usable when it is
painted and all scripts have run. Other programs make all of these longer.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common import run
from simulated_map import document

from kvbench.blockmap.packing import packed
from kvbench.report import html
from kvbench.report.browser import chromium

STEP_MS, FIRST_SCREEN_MS, PAGE_MB = 16, 1500, 5
LOADS = 5
PAGE = """{% from "block-map.html.j2" import block_map, block_map_style, block_map_script %}
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Map</title>{{ block_map_style() }}</head>
<body>{{ block_map("map", "simulated/simulated", data) }}{{ block_map_script() }}</body></html>
"""
DRAW = """([side, steps]) => steps.map((step) => {
  const begin = performance.now();
  kvbenchMaps.map.seek(side, step);
  document.body.offsetHeight;
  return performance.now() - begin;
})"""
FRAMES = """([side, steps]) => new Promise((done) => {
  const times = [];
  let before = null;
  const frame = (now) => {
    if (before !== null) times.push(now - before);
    before = now;
    if (times.length >= steps.length) return done(times);
    kvbenchMaps.map.seek(side, steps[times.length]);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})"""
OPENED = """addEventListener("DOMContentLoaded", () =>
  kvbenchMaps.map.open().then(() => kvbenchMaps.map.ready).then(() => (window.openedAt = performance.now())))"""
USABLE = """() => Math.max(
  performance.getEntriesByName("first-contentful-paint")[0].startTime,
  performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd,
)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--drawn", type=int, default=300, help="steps, jumps and frames that are timed")
    parser.add_argument("--width", type=int, default=1280, help="of the window in pixels")
    parser.add_argument("--report", type=Path, help="report.html whose first screen is timed")
    arguments = parser.parse_args()
    print(f"{'':<42}{'median':>9}{'p95':>9}   target")
    with chromium() as browser:
        for line in [*of_map(browser, arguments), *(of_report(browser, arguments.report) if arguments.report else [])]:
            print(line, flush=True)


def of_map(browser: Any, arguments: argparse.Namespace) -> Iterator[str]:
    """The lines of the simulated map."""
    simulated = document(arguments.blocks, arguments.steps)
    sides = simulated["sides"]
    changes = sum(len(flat) // 3 for flat in sides[0]["changes"])
    told = f"{arguments.blocks:,} blocks, {len(sides[0]['t_us']):,} steps, {changes:,} changes"
    print(f"{told}, {len(simulated['requests']):,} requests", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        page_file = Path(folder) / "map.html"
        page_file.write_text(page_of(simulated), encoding="utf-8")
        page = browser.new_page(viewport={"width": arguments.width, "height": 900})
        page.add_init_script(OPENED)
        page.goto(page_file.as_uri())
        opened = page.wait_for_function("window.openedAt", timeout=120_000).json_value()
        begin = len(sides[0]["t_us"]) // 2
        following = list(range(begin, min(begin + arguments.drawn, len(sides[0]["t_us"]))))
        jumps = [7919 * (number + 1) % len(sides[0]["t_us"]) for number in range(arguments.drawn)]
        page.evaluate(DRAW, [0, following[:30]])  # compiled by then
        yield line("a step (ms)", page.evaluate(DRAW, [0, following]), STEP_MS)
        yield line("a jump (ms)", page.evaluate(DRAW, [0, jumps]))
        yield line("a frame of the browser (ms)", page.evaluate(FRAMES, [0, following]))
        yield line("opening the map (ms)", [opened])
        yield line("page with this map (MB)", [page_file.stat().st_size / 1e6], PAGE_MB)
        page.close()


def of_report(browser: Any, report: Path) -> Iterator[str]:
    """The lines of a report."""
    times = []
    for _ in range(LOADS):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("#answer h1")
        page.wait_for_timeout(300)  # the paint is noted after it was made
        times.append(page.evaluate(USABLE))
        page.close()
    yield line("first screen of the report (ms)", times, FIRST_SCREEN_MS)
    yield line("the report (MB)", [report.stat().st_size / 1e6], PAGE_MB)


def line(name: str, values: Sequence[float], target: float | None = None) -> str:
    """A line of the table: median and 95th percentile, and whether the median is within its target."""
    import numpy as np

    median, high = np.percentile(values, [50, 95])
    told = "" if target is None else f"{target:g}: {'reached' if median <= target else 'missed'}"
    return f"{name:<42}{median:>9.2f}{high:>9.2f}   {told}".rstrip()


def page_of(simulated: dict[str, Any]) -> str:
    """A page with nothing but the map, as the report embeds it."""
    from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader

    loader = ChoiceLoader([DictLoader({"page": PAGE}), FileSystemLoader(Path(html.__file__).with_name("templates"))])
    small = simulated | {"sides": [packed(side) for side in simulated["sides"]]}
    data = base64.b64encode(gzip.compress(json.dumps(small, separators=(",", ":")).encode(), mtime=0)).decode()
    jinja = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return jinja.get_template("page").render(data=data)


if __name__ == "__main__":
    run(main)
