"""Hypothesis strategies: changed copies of good input, by its values and by its bytes; what becomes of it."""

from __future__ import annotations

import copy
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from kvbench.errors import LONGEST, UserError

MOST_S = 5.0  # of processor time, which does not depend on what else the machine does
JUNK = (
    *(None, True, False, 0, -1, 2, 1.5, 1e-300, 1e16, 10**11, 10**20, 10**400, float("inf"), float("nan")),
    *([], {}, [[None]], {"": 1}, {1: 2}, [1, 1], "", "x\n", "a b", "x" * 300, "é", "\u2028", "\x1b[2J"),
    *("a/b", "../x", "~", "{x}", "{x,.*}", "${HOME}", "$(touch x)", "1e6", "auto", "null", "parity", ".."),
)
# Marks of YAML, JSON and CSV, and bytes that are none of UTF-8.
PIECES = (
    *(b"&a ", b"*a", b"<<: *a\n", b"!!python/object:os.system ", b"!!binary ", b"? ", b"- ", b": ", b"|\n", b">\n"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"[" * 60,
        b"[" * 5000,
        b",",
        b",,",
        b";",
        b"\t",
        b"\r",
        b"\n",
        b"\n\n",
        b"#",
        b"%",
        b"@",
    ),
    *(b"'", b'"', b"null\n", b"NaN", b"Infinity", b"1e999", b"-1", b"0x", b"1_000", b"9" * 1200, b"12:30:45"),
    *(b"2026-13-01", b"---\n", b"...\n", b"\xff", b"\x00", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xc3"),
)
Place = tuple[Any, ...]


@st.composite
def changed_values(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to four changes: values replaced, removed, moved, renamed, wrapped or of another size."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        if not places:
            return document
        at = draw(st.sampled_from(places))
        around = _value(document, at[:-1])
        _change(draw, around, at[-1], lambda: _value(document, draw(st.sampled_from(places))))  # noqa: B023
    return document


def _change(draw: st.DrawFn, around: Any, key: Any, other: Callable[[], Any]) -> None:
    value = around[key]
    match draw(st.integers(0, 6)):
        case 0:
            around[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
        case 1:
            around[key] = copy.deepcopy(other())
        case 2:
            around.pop(key)
        case 3 if isinstance(around, dict):
            around[draw(st.sampled_from([f"{key}x", str(key)[:-1], f"{key}\n", str(key).upper(), 1, None]))] = value
            around.pop(key, None)
        case 4 if isinstance(value, int | float):
            third = value / 3 if abs(value) < sys.float_info.max else -value
            around[key] = draw(st.sampled_from([value * 10 ** draw(st.integers(1, 13)), -value, third, str(value)]))
        case 5:
            around[key] = draw(st.sampled_from([[value], {"x": value}, str(value), [value, value]]))
        case _ if isinstance(around, list):
            around.append(copy.deepcopy(value))


def _places(value: Any, at: Place = ()) -> Iterator[Place]:
    """The place of every value below this one."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield (*at, key)
        yield from _places(item, (*at, key))


def _value(document: Any, at: Place) -> Any:
    for key in at:
        document = document[key]
    return document


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with up to three changes: a part cut out, doubled, replaced, a piece put in, the rest cut off."""
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(content)))
        end = min(len(content), begin + draw(st.integers(0, 40)))
        middle = {
            "cut": lambda part: b"",
            "doubled": lambda part: part * 2,
            "replaced": lambda part: draw(st.binary(max_size=4)),
            "put in": lambda part: draw(st.sampled_from(PIECES)) + part,
            "line": lambda part: b"\n" + part + b"\n",
            "without spaces": lambda part: part.replace(b" ", b""),
        }
        how = draw(st.sampled_from([*middle, "end"]))
        content = content[:begin] if how == "end" else content[:begin] + middle[how](content[begin:end]) + content[end:]
    return content


@contextmanager
def within(most_s: float = MOST_S) -> Iterator[None]:
    """AssertionError if the block takes more processor time; from the main thread only."""

    def late(*_: object) -> None:
        raise AssertionError(f"not done after {most_s} s of processor time")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def refusal_of(check: Callable[[], object]) -> str:
    """The line with which `check` refuses its input, empty if it accepts it; any other exception passes."""
    try:
        with within():
            check()
    except UserError as error:
        line = str(error)
        assert line
        assert line.isprintable(), line
        assert len(line) <= LONGEST
        return line
    return ""
