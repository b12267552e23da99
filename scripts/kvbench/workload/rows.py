"""A request as read from a user's file, with checks of its parts; errors name the place and the reason."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError

MOST = 1 << 31  # lengths and token ids are kept as 32-bit numbers


class BadTurn(UserError):
    """A missing or empty prompt or reply: a fault of one request, which `bad_turns: skip` leaves out."""


@dataclass
class Row:
    """A request: its place in the file and what the file gives for its prompt and output.

    `turns` are the texts whose ids, joined by those of a line end, are the prompt of a later turn of a conversation.
    `hash_ids` name the blocks of a prompt of which only the length is known, each together with all before it.
    `fault` says what is wrong with its turns; then only the place is meaningful.
    """

    place: str
    request_id: str = ""
    text: str | None = None
    ids: NDArray[np.int32] | None = None
    prompt_tokens: int | None = None
    turns: Sequence[str] | None = None
    hash_ids: NDArray[np.int64] | None = None
    reply: str | None = None
    output_tokens: int | None = None
    arrival_s: float = 0.0
    fault: str | None = None


def request_id(value: Any, place: str) -> str:
    """The id as text; UserError unless it is text or a whole number."""
    if type(value) not in (int, str) or value == "":
        raise UserError(f"{place}: request id is {value!r}; give text or a whole number, or leave it out")
    return str(value)


def length(value: Any, key: str, place: str) -> int:
    """A number of tokens; None and 0 raise BadTurn. 12.0 means 12: pandas writes so if other values are missing."""
    if value is None or value == "":
        raise BadTurn(f"{place}: no {key}; give a whole number of at least 1")
    if type(value) is float and value.is_integer():
        value = int(value)
    wrong = f"{place}: {key} is {value!r}; give a whole number of at least 1"
    if type(value) is int and value == 0:
        raise BadTurn(wrong)
    if type(value) is not int or not 1 <= value < MOST:
        raise UserError(wrong)
    return value


def is_number(value: Any) -> bool:
    """Whether a value is a number that is finite as a float; JSON's whole numbers have no limit."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def arrival(value: Any, place: str) -> float:
    """An arrival time in seconds; UserError if it is negative, not finite as a float or not a number."""
    if not is_number(value) or value < 0:
        raise UserError(f"{place}: arrival_s is {value!r}; give seconds, 0 or more")
    return float(value)


def prompt(value: Any, place: str, what: str = "prompt") -> str:
    """The text of a turn; BadTurn if it is missing, empty or cannot be encoded as UTF-8."""
    if value is None:
        raise BadTurn(f"{place}: no {what}; give some text")
    if not isinstance(value, str):
        raise UserError(f"{place}: {what} is {type(value).__name__}, not text; give text")
    if not value.strip():
        raise BadTurn(f"{place}: empty {what}; give some text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadTurn(
            f"{place}: {what} contains half a surrogate pair, which is not text; correct the escape"
        ) from None
    return value


def token_ids(value: Any, place: str) -> NDArray[np.int32]:
    """Token ids, shape (tokens,): an array takes 4 bytes per id, a list of Python integers 36."""
    if value is None:
        raise BadTurn(f"{place}: no prompt_token_ids; give at least one id")
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise UserError(f"{place}: prompt_token_ids is not a list of whole numbers; give the ids of the prompt")
    if not value:
        raise BadTurn(f"{place}: empty prompt_token_ids; give at least one id")
    low, high = min(value), max(value)
    if low < 0 or high >= MOST:
        outside = low if low < 0 else high
        raise UserError(f"{place}: token id {outside} is outside 0 to {MOST - 1}; give ids of the model's vocabulary")
    return np.array(value, np.int32)


def row_of(place: str, make: Callable[..., Row], *given: Any) -> Row:
    """`make(place, *given)`, or a row with only the fault if a turn is bad."""
    try:
        return make(place, *given)
    except BadTurn as fault:
        return Row(place, fault=str(fault))


def require_new(row: Row, seen: dict[str, str]) -> None:
    """Note the row's id in `seen`, with its place; UserError if it is there already."""
    if row.request_id in seen:
        first = seen[row.request_id].rsplit(": ", 1)[-1]
        raise UserError(f"{row.place}: duplicate id {row.request_id!r}, first used on {first}; make the ids unique")
    seen[row.request_id] = row.place
