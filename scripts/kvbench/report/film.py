"""Pictures of a map from the report's own drawing code in a browser: one moment as PNG, the whole run as GIF."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from kvbench.files import replacing, write_csv, write_text
from kvbench.report.browser import chromium
from kvbench.report.picture import end, moment, picture_page, read_document, table

SHARPNESS = 2  # pixels of the PNG for one of the page
FRAME_MS, LAST_FRAME_MS = 100, 3000
NEARLY_WHITE = 248
COLOURS = 255  # of the GIF, which needs one more for what stays as it was


def make(map_file: Path, out: Path, *, step: int | None = None, frames: int = 100) -> list[Path]:
    """Write block-map.png, block-map.gif and block-map.csv, the numbers in the PNG, to the folder `out`.

    `step` is a step of the first side (None: that with most live slots); the GIF has `frames` moments at equal
    distances in time, from the first at which both sides serve to the end of the slower one.

    UserError without a browser, for a file without two sides, or for a step at which a side served nothing.
    """
    document = read_document(map_file)
    step = moment(document) if step is None else step
    shown = table(document, step)
    names = [out / f"block-map.{suffix}" for suffix in ("png", "gif", "csv")]
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder) / "picture.html"
        write_text(file, picture_page(map_file))
        # The second side, which is contiguous, comes first.
        address = f"{file.as_uri()}#map={quote(document['model'] + '/' + document['workload'])}&show=1,0"
        [still] = _shots(browser, address, [(0, step, shown["time_s"].iloc[0])], SHARPNESS)
        film = _shots(browser, address, moments(document, frames), 1)
    with replacing(names[0]) as temporary:
        temporary.write_bytes(_smaller(still))
    with replacing(names[1]) as temporary:
        temporary.write_bytes(animation(film))
    write_csv(names[2], shown)
    return names


def moments(document: Mapping[str, Any], frames: int) -> list[tuple[int, int, float]]:
    """Side, step and seconds of each frame: the next step of the slower one of the first two sides."""
    clocks = [np.cumsum(side["t_us"]) for side in document["sides"][:2]]
    slower = int(np.argmax([end(times) for times in clocks]))
    wanted = np.linspace(max(times[0] for times in clocks), end(clocks[slower]), frames)
    steps = np.minimum(np.searchsorted(clocks[slower], wanted), len(clocks[slower]) - 1)
    return [(slower, int(step), float(clocks[slower][step]) / 1e6) for step in dict.fromkeys(steps.tolist())]


def animation(film: Sequence[bytes]) -> bytes:
    """A GIF of these PNGs that repeats; all frames have the colours of all, so that only what changes is stored."""
    from PIL import Image

    frames = [Image.open(io.BytesIO(one)).convert("RGB") for one in film]
    few = frames[:: max(1, len(frames) // 8)]
    sheet = Image.new("RGB", (few[0].width, few[0].height * len(few)))
    for number, frame in enumerate(few):
        sheet.paste(frame, (0, number * few[0].height))
    palette = _with_white(sheet.quantize(COLOURS, dither=Image.Dither.NONE))
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [FRAME_MS] * len(rest) + [LAST_FRAME_MS]
    written = io.BytesIO()
    first.save(written, "gif", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)
    return written.getvalue()


def _with_white(palette: Any) -> Any:
    """The palette with its lightest colours made white: Pillow looks for a near colour, not for the nearest."""
    values = palette.getpalette()
    colours = [values[at : at + 3] for at in range(0, len(values), 3)]
    palette.putpalette([v for colour in colours for v in ([255] * 3 if min(colour) >= NEARLY_WHITE else colour)])
    return palette


def _smaller(png: bytes) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(written, "png", optimize=True)
    return written.getvalue()


def _shots(browser: Any, address: str, moments: Sequence[tuple[int, int, float]], sharpness: int) -> list[bytes]:
    """A PNG of each moment, `sharpness` pixels for one of the page."""
    page = browser.new_page(viewport={"width": 1000, "height": 900}, device_scale_factor=sharpness)
    page.goto(address)
    page.evaluate("prepare()")
    shots = []
    for one in moments:
        page.evaluate("one => frame(...one)", list(one))
        shots.append(page.locator("#picture").screenshot())
    page.close()
    return shots
