"""Requests without a prompt or a reply: refused, or left out and counted."""

import json

import pytest
from builders.user_files import GOOD, conversation, read

from kvbench.errors import UserError
from kvbench.workload.selection import FileCounts, counts_of
from kvbench.workload.vocabulary import Vocabulary

BAD = [
    ("r.json", conversation("", "b"), "empty prompt"),
    ("r.json", conversation("a", " \n"), "empty reply"),
    ("r.json", conversation("a", None), "no reply"),
    ("r.json", {"conversations": [{"from": "human"}, {"from": "gpt", "value": "b"}]}, "no prompt"),
    ("r.json", conversation("a"), "fewer than two turns"),
    ("r.json", {"conversations": []}, "fewer than two turns"),
    ("r.json", conversation("b", "a", speakers=("gpt", "human")), "the first turn is from gpt and is not a prompt"),
    (
        "r.json",
        conversation("s", "a", speakers=("system", "human")),
        "the first turn is from system and is not a prompt",
    ),
    ("r.json", conversation("a", "a", speakers=("human", "human")), "the second turn is from human and is not a reply"),
    ("r.json", conversation("a", "\ud800"), "reply contains half a surrogate pair"),
    ("r.jsonl", {"prompt": " ", "output_tokens": 1}, "empty prompt"),
    ("r.jsonl", {"prompt": None, "output_tokens": 1}, "no prompt"),
    ("r.jsonl", {"prompt_token_ids": [], "output_tokens": 1}, "empty prompt_token_ids"),
    ("r.jsonl", {"prompt": "a", "output_tokens": 0}, "output_tokens is 0"),
    ("r.jsonl", {"prompt": "a", "output_tokens": None}, "no output_tokens"),
    ("r.jsonl", {"prompt": "a"}, "no output_tokens"),
    ("r.csv", "0,5", "prompt_tokens is 0"),
    ("r.csv", "10,0.0", "output_tokens is 0"),
    ("r.csv", "10,", "no output_tokens"),
]


def file_of(name: str, bad: str | dict) -> str:
    """Return a file with a good request, a bad one and another good one."""
    if name == "r.json":
        return "[\n" + ",\n".join(map(json.dumps, [conversation("a", "b"), bad, conversation("c", "d")])) + "\n]"
    good, text = ("7,2", bad) if name == "r.csv" else (GOOD.strip(), json.dumps(bad))
    return "\n".join([good, text, good])


@pytest.mark.engine
@pytest.mark.parametrize(("name", "bad", "reason"), BAD)
def test_a_bad_turn_is_refused_with_the_word_that_skips_it_or_counted(tmp_path, vocabulary, name, bad, reason):
    content = file_of(name, bad)
    place = r"line 3, entry 2" if name == "r.json" else "line 2"
    with pytest.raises(UserError) as caught:
        read(tmp_path, name, content, vocabulary)
    assert f"{name}: {place}: {reason}" in str(caught.value)
    assert str(caught.value).endswith(", or set bad_turns: skip to leave such requests out")
    assert str(caught.value).count(";") == 1
    table = read(tmp_path, name, content, vocabulary, bad_turns="skip")
    assert (len(table), counts_of(table)) == (2, FileCounts(3, 0, 1))


class Deaf:
    """A tokenizer that gives no tokens for the text "mute"."""

    def encode(self, texts, limit=None, special=True):
        return [[] if text == "mute" else [5] for text in texts]


@pytest.mark.parametrize(("given", "what"), [(("mute", "b"), "prompt"), (("a", "mute"), "reply")])
def test_text_without_tokens_is_a_bad_turn(tmp_path, given, what):
    vocabulary = Vocabulary("m", 300, frozenset(), Deaf())
    content = json.dumps([conversation("a", "b"), conversation(*given)])
    with pytest.raises(UserError, match=f"entry 2: .* no tokens for the {what}; use other text, or set bad_turns"):
        read(tmp_path, "r.json", content, vocabulary)
    assert counts_of(read(tmp_path, "r.json", content, vocabulary, bad_turns="skip")) == FileCounts(2, 0, 1)


@pytest.mark.engine
@pytest.mark.parametrize(
    "bad", ['{"a": 1}', '{"conversations": [5]}', '{"conversations": [{"value": 5}, {"value": "b"}]}']
)
def test_what_is_no_bad_turn_is_refused_all_the_same(tmp_path, vocabulary, bad):
    with pytest.raises(UserError, match="line 1, entry 1: "):
        read(tmp_path, "r.json", f"[{bad}]", vocabulary, bad_turns="skip")
    with pytest.raises(UserError, match="line 2: output_tokens is -1"):
        read(tmp_path, "r.csv", "10,5\n10,-1\n", vocabulary, bad_turns="skip")
