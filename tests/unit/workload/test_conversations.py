"""Conversations of several turns: each prompt has the turns before it, token for token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.models import BOS
from builders.refusals import refused
from builders.user_files import conversation, read

from kvbench.workload.selection import FileCounts, counts_of
from kvbench.workload.vocabulary import Vocabulary


def lmsys(*turns: Any, roles: tuple[str, ...] = ("user", "assistant"), **more: Any) -> dict[str, Any]:
    """Return a row as LMSYS-Chat-1M has it."""
    spoken = [{"role": roles[at % len(roles)], "content": turn} for at, turn in enumerate(turns)]
    return {
        "conversation_id": "c",
        "model": "m",
        "conversation": spoken,
        "turn": len(turns) // 2,
        "redacted": False,
    } | more


def lines(*rows: dict[str, Any]) -> str:
    """Return rows as JSONL."""
    return "".join(json.dumps(row) + "\n" for row in rows)


CHAT = ("Hi", "Good day", "How?", "So", "Why?", "Because")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.json", json.dumps([conversation(*CHAT, id="c")])),
        ("r.jsonl", lines(conversation(*CHAT, id="c"))),
        ("r.jsonl", lines(lmsys(*CHAT))),
        ("r.json", json.dumps([lmsys(*CHAT)])),
    ],
)
def test_each_prompt_has_all_turns_before_it(tmp_path: Path, vocabulary: Vocabulary, name: str, content: str) -> None:
    first, second, third = read(tmp_path, name, content, vocabulary, turns="all").to_pylist()
    assert [row["request_id"] for row in (first, second, third)] == ["c-1", "c-2", "c-3"]
    assert [row["text"] for row in (first, second)] == ["Hi", "Hi\nGood day\nHow?"]
    assert third["text"] == "Hi\nGood day\nHow?\nSo\nWhy?"
    assert [row["output_tokens"] for row in (first, second, third)] == [8, 2, 7]
    for row in (first, second, third):  # with a token for each byte, turns end where tokens do
        assert [row["prompt_token_ids"]] == vocabulary.tokenizer.encode([row["text"]])
    assert [row["prompt_token_ids"].count(BOS) for row in (first, second, third)] == [1, 1, 1]
    [only] = read(tmp_path, name, content, vocabulary).to_pylist()
    assert {key: only[key] for key in only if key != "request_id"} == {k: first[k] for k in first if k != "request_id"}
    assert only["request_id"] == "c"


class Greedy:
    """A tokenizer of which a text's last character and the next one's first are one token if both are letters."""

    def encode(self, texts: list[str], limit: int | None = None, special: bool = True) -> list[list[int]]:
        return [[1] * special + [ord(a) + (ord(b) if b else 0) for a, b in _pairs(text)] for text in texts]


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(text[at], text[at + 1 : at + 2]) for at in range(0, len(text), 2)]


def test_a_prompts_tokens_begin_with_those_of_the_one_before_whatever_the_tokenizer(tmp_path: Path) -> None:
    vocabulary = Vocabulary("m", 1000, frozenset(), Greedy())
    content = json.dumps([conversation("abc", "de", "fgh", "i")])
    first, second = (
        row["prompt_token_ids"] for row in read(tmp_path, "r.json", content, vocabulary, turns="all").to_pylist()
    )
    [reply] = Greedy().encode(["de"], special=False)
    assert second[: len(first)] == first
    assert second[len(first) : len(first) + 1 + len(reply)] == [ord("\n"), *reply]


def test_a_system_prompt_stands_before_the_first_prompt(tmp_path: Path, vocabulary: Vocabulary) -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    rows = read(tmp_path, "r.jsonl", lines(lmsys("Be", "a", "b", "c", "d", roles=roles)), vocabulary, turns="all")
    assert rows["text"].to_pylist() == ["Be\na", "Be\na\nb\nc"]
    rows = read(tmp_path, "r.jsonl", lines(lmsys("", "a", "b", roles=roles)), vocabulary, turns="all")
    assert rows["text"].to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("row", "reason", "kept"),
    [
        (lmsys("a", "b", "c"), "line 2: turn 3 has no reply; give each prompt its reply", 1),
        (lmsys(), "line 2: turn 1 has no reply", 0),
        (lmsys("a", "b", "c", ""), "line 2: empty reply", 1),
        (lmsys("a", "b", None, "d", "e", "f"), "line 2: no prompt", 1),
        (lmsys("a", "b", roles=("assistant", "user")), "line 2: turn 1 is from assistant and is not a prompt", 0),
        (
            lmsys("a", "b", "c", "d", roles=("user", "assistant", "user", "user")),
            "line 2: turn 4 is from user and is not a reply; let the reply follow the prompt",
            1,
        ),
    ],
)
def test_a_bad_turn_ends_its_conversation(
    tmp_path: Path, vocabulary: Vocabulary, row: dict[str, Any], reason: str, kept: int
) -> None:
    content = lines(lmsys("x", "y", conversation_id="x"), row, lmsys("z", "y", conversation_id="z"))
    with refused() as caught:
        read(tmp_path, "r.jsonl", content, vocabulary, turns="all")
    assert f"r.jsonl: {reason}" in str(caught.value)
    assert str(caught.value).endswith(", or set bad_turns: skip to leave such requests out")
    table = read(tmp_path, "r.jsonl", content, vocabulary, turns="all", bad_turns="skip")
    assert table["request_id"].to_pylist() == ["x-1", *["c-1"][:kept], "z-1"]
    assert counts_of(table) == FileCounts(3 + kept, 0, 1)


def test_turns_that_become_too_long_are_left_out_one_by_one(tmp_path: Path, vocabulary: Vocabulary) -> None:
    content = lines(lmsys("a" * 200, "b" * 200, "c" * 200, "d"))
    with refused(r"line 1: 603 prompt \+ 1 output tokens are more than max_length 512"):
        read(tmp_path, "r.jsonl", content, vocabulary, turns="all")
    table = read(tmp_path, "r.jsonl", content, vocabulary, turns="all", too_long="skip")
    assert table["request_id"].to_pylist() == ["c-1"]
    assert counts_of(table) == FileCounts(2, 1, 0)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("r.jsonl", '{"conversation": "a"}\n', r"line 1: no list of conversations"),
        ("r.jsonl", lines(lmsys(5, "b")), r"line 1: prompt is int, not text"),
        ("r.jsonl", lines(lmsys("a", "b", conversation_id=[])), r"line 1: request id is \[\]"),
        ("r.jsonl", lines(lmsys("a", "b")) + "{", r"line 2: broken JSON"),
    ],
)
@pytest.mark.parametrize("turns", ["first", "all"])
def test_a_faulty_row_is_named(
    tmp_path: Path, vocabulary: Vocabulary, turns: str, name: str, content: str, line: str
) -> None:
    with refused(rf"{name}: {line}"):
        read(tmp_path, name, content, vocabulary, turns=turns)
