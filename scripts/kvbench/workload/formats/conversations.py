"""Makes requests of a conversation: of its first two turns, or of each prompt with all turns before it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kvbench.errors import UserError
from kvbench.workload.request_file import ALL
from kvbench.workload.rows import BadTurn, Row, prompt, request_id, row_of

log = logging.getLogger(__name__)

# Speakers as public files name them; other names are accepted in either turn.
ASKING = {"human", "user"}
ANSWERING = {"gpt", "chatgpt", "assistant", "model", "bot", "bing", "bard", "claude"}
INSTRUCTING = {"system"}


class Turn(NamedTuple):
    """What a file has for a turn, unchecked."""

    speaker: Any
    text: Any


class Conversation(NamedTuple):
    """A conversation's place, its number in the file, its id (None: the number) and its turns."""

    place: str
    number: int
    name: Any
    turns: Sequence[Turn]


def requests_of(conversations: Iterable[Conversation], turns: str) -> Iterator[Row]:
    """The requests of each conversation; since public files repeat some ids, a repeated one gets its number appended.

    With `turns` "all", request k of conversation x has the id x-k.
    """
    seen: set[str] = set()
    for place, number, given, spoken in conversations:
        name = request_id(number if given is None else given, place)
        if name in seen:
            name = f"{name}-{number}"
            log.warning("%s: duplicate id, renamed to %s", place, name)
        seen.add(name)
        if turns == ALL:
            yield from _all_turns(place, name, spoken)
        else:
            yield row_of(place, _first_turns, name, spoken)


def turns_of(entry: Any, key: str, speaker: str, text: str, place: str) -> list[Turn]:
    """The turns under `key` of an entry of a file; UserError if it is not a list of objects."""
    turns = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        remedy = "give ShareGPT JSON, or JSONL with one object per line"
        raise UserError(f"{place}: no list of {key.removesuffix('s')}s; {remedy}")
    return [Turn(turn.get(speaker), turn.get(text)) for turn in turns]


def _first_turns(place: str, name: str, turns: Sequence[Turn]) -> Row:
    if len(turns) < 2:
        raise BadTurn(f"{place}: fewer than two turns; give a prompt and its reply")
    _require_order(place, "the first turn", _speaker(turns[0]), "the second turn", _speaker(turns[1]))
    return Row(place, name, text=prompt(turns[0].text, place), reply=prompt(turns[1].text, place, "reply"))


def _all_turns(place: str, name: str, turns: Sequence[Turn]) -> Iterator[Row]:
    """A request for each prompt with a reply, up to the first bad turn, which ends the conversation."""
    before: list[str] = []
    if turns and _speaker(turns[0]) in INSTRUCTING:
        instruction, *turns = turns
        before = [instruction.text] if isinstance(instruction.text, str) and instruction.text.strip() else []
    pairs = [turns[at : at + 2] for at in range(0, len(turns), 2)] or [[]]
    for count, pair in enumerate(pairs, start=1):
        row = row_of(place, _turn, f"{name}-{count}", before, pair, 2 * count - 1)
        yield row
        if row.fault:
            return
        before = [*row.turns, row.reply]


def _turn(place: str, name: str, before: Sequence[str], pair: Sequence[Turn], number: int) -> Row:
    """The request of a prompt behind what was said `before`; `number` is that of the prompt among the turns."""
    if len(pair) < 2:
        raise BadTurn(f"{place}: turn {number} has no reply; give each prompt its reply")
    _require_order(place, f"turn {number}", _speaker(pair[0]), f"turn {number + 1}", _speaker(pair[1]))
    turns = [*before, prompt(pair[0].text, place)]
    reply = prompt(pair[1].text, place, "reply")
    return Row(place, name, text=prompt("\n".join(turns), place), turns=turns, reply=reply)


def _speaker(turn: Turn) -> str:
    return str(turn.speaker or "").strip().lower()


def _require_order(place: str, first: str, asking: str, second: str, answering: str) -> None:
    if asking in ANSWERING | INSTRUCTING:
        raise BadTurn(f"{place}: {first} is from {asking} and is not a prompt; begin with the prompt")
    if answering in ASKING | INSTRUCTING:
        raise BadTurn(f"{place}: {second} is from {answering} and is not a reply; let the reply follow the prompt")
