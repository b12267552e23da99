"""A failed figure does not fail the report: its files hold a sentence, its log the traceback, the terminal one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders.places import SCRIPTS

from kvbench.figures import not_drawn
from kvbench.report.html import figure

DRIVER = """
import sys
sys.path.insert(0, {scripts!r})
from types import SimpleNamespace
from kvbench.errors import UserError
from kvbench.figures.job import plot

def from_job(job):
    {body}

files = ["out/roofline.pdf", "out/roofline.png", "out/roofline.svg"]
plot(SimpleNamespace(rule="plot_roofline", wildcards=["m", "w"], log=["logs/w.log"], output=files,
                     params=SimpleNamespace(dpi=80, module="__main__")))
"""


def drawn(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    code = DRIVER.format(scripts=str(SCRIPTS), body=body)
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=60)


def test_an_unexpected_exception_leaves_a_sentence_in_every_format(tmp_path: Path) -> None:
    done = drawn(tmp_path, "return [][0]")
    said = "This figure could not be drawn: IndexError: list index out of range. Details: logs/w.log"
    assert (done.returncode, done.stderr) == (0, f"plot_roofline m w: {said}\n")
    assert "IndexError" in (tmp_path / "logs/w.log").read_text()
    assert "Traceback" in (tmp_path / "logs/w.log").read_text()
    for kind in ("png", "svg"):
        found = figure(tmp_path / f"out/roofline.{kind}")
        assert (found.not_drawn, found.caption) == (said, said)
    assert b"could not be drawn" in (tmp_path / "out/roofline.pdf").read_bytes()


@pytest.mark.parametrize("text", ["<b> & $x^$", "no\\nsuch\\x00line", "déjà", "a" * 4000])
def test_any_error_can_be_told(tmp_path: Path, text: str) -> None:
    done = drawn(tmp_path, f"raise ValueError('{text}')")
    assert done.returncode == 0, done.stderr
    for kind in ("png", "svg"):
        found = figure(tmp_path / f"out/roofline.{kind}").not_drawn
        assert found.startswith("This figure could not be drawn: ValueError: ")
        assert len(found) < 450
    assert done.stderr.count("\n") == 1


def test_a_figure_that_fails_while_it_is_saved_says_so_too(tmp_path: Path) -> None:
    body = "import matplotlib.figure as m; f = m.Figure(); f.text(0.5, 0.5, '$\\\\nosuch$'); return f"
    assert drawn(tmp_path, body).returncode == 0
    assert "ValueError" in figure(tmp_path / "out/roofline.svg").not_drawn


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("UserError('config.yaml: figures.x: unknown option')", "config.yaml: figures.x: unknown option"),
        ("MemoryError()", "memory"),
        ("OSError(28, 'No space left on device', 'out/roofline.png')", "free some disk space"),
        ("KeyboardInterrupt()", "interrupted"),
    ],
)
def test_what_the_user_must_mend_fails_the_job(tmp_path: Path, error: str, line: str) -> None:
    done = drawn(tmp_path, f"raise {error}")
    assert done.returncode != 0
    assert line in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_figure_that_was_drawn_carries_no_mark(tmp_path: Path) -> None:
    assert drawn(tmp_path, "import matplotlib.figure as m; return m.Figure()").returncode == 0
    assert not_drawn.find((tmp_path / "out/roofline.png").read_bytes()) == ""


@pytest.mark.parametrize(("body", "nothing"), [("m.Figure()", False), ("said('No run.')", True)])
def test_a_file_tells_whether_there_was_anything_to_draw(tmp_path: Path, body: str, nothing: bool) -> None:
    code = f"import matplotlib.figure as m; from kvbench.figures.style import said; return {body}"
    assert drawn(tmp_path, code).returncode == 0
    for name in ("out/roofline.png", "out/roofline.svg"):
        assert not_drawn.has_nothing((tmp_path / name).read_bytes()) is nothing
