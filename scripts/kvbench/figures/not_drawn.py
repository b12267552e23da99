"""Files of figures that hold a sentence in place of data, told apart without Matplotlib."""

from __future__ import annotations

import html
import re
import textwrap

LONGEST = 300
# PNG and SVG both store a description as plain ASCII, SVG with XML escapes.
MARKED = re.compile(rb"kvbench: not drawn: (.+?) :kvbench")
NOTHING = "kvbench: nothing to draw"  # the description of a figure that says why there is no data


def sentence(error: Exception, log_path: str) -> str:
    """The sentence drawn instead of a figure: the error in one line of at most LONGEST characters, and the log file."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    printable = "".join(char if char.isprintable() else "?" for char in text)
    short = textwrap.shorten(printable, LONGEST, placeholder=" …").rstrip(".")
    return f"This figure could not be drawn: {short}. Details: {log_path}"


def mark(text: str) -> str:
    """A description to write into a figure's file, in ASCII."""
    return f"kvbench: not drawn: {text.encode('ascii', 'backslashreplace').decode()} :kvbench"


def find(content: bytes) -> str:
    """The sentence in a PNG or SVG that was drawn instead of a figure; empty if the figure was drawn."""
    found = MARKED.search(content)
    return html.unescape(found[1].decode("ascii")) if found else ""


def has_nothing(content: bytes) -> bool:
    """Whether a PNG or SVG only says why there is nothing to draw."""
    return NOTHING.encode() in content
