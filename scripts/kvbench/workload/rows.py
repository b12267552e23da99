"""A request as it stands in a user's file, and what its parts must be: each fault is named by its place and reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kvbench.errors import UserError

MOST = 1 << 31  # lengths and token ids are kept as 32-bit numbers


class BadTurn(UserError):
    """A prompt or reply that is missing or empty: a fault of one request, which `bad_turns: skip` leaves out."""


@dataclass
class Row:
    """A request: its place in the file and what that gives of prompt and output.

    `fault` says what is bad in its turns; then all else but the place is open.
    """

    place: str
    request_id: str = ""
    text: str | None = None
    ids: NDArray[np.int32] | None = None
    prompt_tokens: int | None = None
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
    """A number of tokens; 12.0 is 12, as pandas writes whole numbers beside missing ones. None and 0 are a BadTurn."""
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


def arrival(value: Any, place: str) -> float:
    """Seconds; UserError where they are negative, not finite or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(f"{place}: arrival_s is {value!r}; give seconds, 0 or more")
    return float(value)


def prompt(value: Any, place: str, what: str = "prompt") -> str:
    """The text of a turn; a BadTurn where it is missing, empty or none that can be written."""
    if value is None:
        raise BadTurn(f"{place}: no {what}; give some text")
    if not isinstance(value, str):
        raise UserError(f"{place}: {what} is {type(value).__name__}, not text; give text")
    if not value.strip():
        raise BadTurn(f"{place}: empty {what}; give some text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadTurn(f"{place}: {what} holds half a surrogate pair, which is no text; mend the escape") from None
    return value


def token_ids(value: Any, place: str) -> NDArray[np.int32]:
    """Token ids, shape (tokens,): 4 bytes each, where a list of Python's numbers takes 36."""
    if value is None:
        raise BadTurn(f"{place}: no prompt_token_ids; give one id at least")
    if not isinstance(value, list) or not set(map(type, value)) <= {int}:
        raise UserError(f"{place}: prompt_token_ids is not a list of whole numbers; give the ids of the prompt")
    if not value:
        raise BadTurn(f"{place}: empty prompt_token_ids; give one id at least")
    low, high = min(value), max(value)
    if low < 0 or high >= MOST:
        outside = low if low < 0 else high
        raise UserError(f"{place}: token id {outside} is outside 0 to {MOST - 1}; give ids of a vocabulary")
    return np.array(value, np.int32)


def row_of(place: str, make: Callable[..., Row], *given: Any) -> Row:
    """`make(place, *given)`, or a row of the fault alone where a turn is bad."""
    try:
        return make(place, *given)
    except BadTurn as fault:
        return Row(place, fault=str(fault))
