"""What a figure's file carries where there is no figure: a sentence that the report finds again without Matplotlib."""

from __future__ import annotations

import html
import re
import textwrap

LONGEST = 300
# PNG and SVG both keep a description as plain ASCII, the latter escaped for XML.
MARKED = re.compile(rb"kvbench: not drawn: (.+?) :kvbench")


def sentence(error: Exception, log_path: str) -> str:
    """What is drawn instead of a figure: the error on one line, at most LONGEST characters of it, and its log."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    printable = "".join(char if char.isprintable() else "?" for char in text)
    short = textwrap.shorten(printable, LONGEST, placeholder=" …").rstrip(".")
    return f"This figure could not be drawn: {short}. Details: {log_path}"


def mark(text: str) -> str:
    """A description to write into a figure's file, in ASCII."""
    return f"kvbench: not drawn: {text.encode('ascii', 'backslashreplace').decode()} :kvbench"


def find(content: bytes) -> str:
    """The sentence that was drawn instead of a figure, from a PNG or SVG; empty where the figure was drawn."""
    found = MARKED.search(content)
    return html.unescape(found[1].decode("ascii")) if found else ""
