"""Alpaca, OpenAI batches and vLLM's custom JSONL, told apart by their keys or named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.places import SCHEMA
from builders.refusals import refused
from builders.trace_files import AZURE, BURST, MOONCAKE
from builders.user_files import conversation, line, read

from kvbench.workload.formats.by_content import LINES, ROWS, format_of
from kvbench.workload.request_file import FORMATS, RequestFile
from kvbench.workload.selection import FileCounts, counts_of
from kvbench.workload.vocabulary import Vocabulary
from kvbench.yaml_files import read_yaml

INSTRUCTIONS = [
    {"instruction": "Add", "input": "1 2", "output": "three"},
    {"instruction": "Greet", "input": "", "output": "Hi"},
    {"instruction": "Go", "output": "No"},
]


def batch(**body: Any) -> str:
    """Return a line of OpenAI's batch API; None leaves a key of the body out."""
    whole = {"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 7} | body
    whole = {key: value for key, value in whole.items() if value is not None}
    return json.dumps({"custom_id": "x", "method": "POST", "url": "/v1/chat/completions", "body": whole}) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [("r.json", json.dumps(INSTRUCTIONS, indent=1)), ("r.jsonl", "".join(json.dumps(x) + "\n" for x in INSTRUCTIONS))],
)
def test_alpaca(tmp_path: Path, vocabulary: Vocabulary, name: str, content: str) -> None:
    rows = read(tmp_path, name, content, vocabulary).to_pylist()
    assert [(row["request_id"], row["text"], row["output_tokens"]) for row in rows] == [
        ("1", "Add\n1 2", 5), ("2", "Greet", 2), ("3", "Go", 2),
    ]  # fmt: skip


def test_openai_batch(tmp_path: Path, vocabulary: Vocabulary) -> None:
    spoken = [
        {"role": "system", "content": "Be"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    content = batch(messages=spoken, max_completion_tokens=9) + batch(messages=None, prompt="Say").replace('"x"', '"y"')
    content += batch(messages=None, prompt=[5, 6, 7]).replace('"x"', '"z"')
    rows = read(tmp_path, "r.jsonl", content, vocabulary).to_pylist()
    assert [(row["request_id"], row["text"], row["output_tokens"]) for row in rows] == [
        ("x", "Be\na\nb", 9), ("y", "Say", 7), ("z", None, 7),
    ]  # fmt: skip
    assert rows[2]["prompt_token_ids"] == [5, 6, 7]


def test_vllm_bench_ignores_other_keys_and_takes_a_number_for_all(tmp_path: Path, vocabulary: Vocabulary) -> None:
    content = (
        '{"prompt": "a", "output_tokens": "7", "source": 1}\n{"prompt": "b"}\n{"prompt": "c", "output_tokens": 3.0}\n'
    )
    with refused(r"line 1: unknown key 'source'; .*, or set format: vllm-bench, which ignores"):
        read(tmp_path, "r.jsonl", content, vocabulary)
    with refused(r"line 2: no output_tokens; give a whole number of at least 1, or set bad_turns: skip"):
        read(tmp_path, "r.jsonl", content, vocabulary, format="vllm-bench")
    table = read(tmp_path, "r.jsonl", content, vocabulary, format="vllm-bench", output_tokens=50)
    assert table["output_tokens"].to_pylist() == [7, 50, 3]
    assert table["text"].to_pylist() == ["a", "b", "c"]


def test_a_number_of_output_tokens_for_those_that_have_none(tmp_path: Path, vocabulary: Vocabulary) -> None:
    table = read(tmp_path, "r.jsonl", line(output_tokens=None) + line(output_tokens=2), vocabulary, output_tokens=9)
    assert table["output_tokens"].to_pylist() == [9, 2]
    content = batch(max_tokens=None) + batch().replace('"x"', '"y"')
    assert read(tmp_path, "r.jsonl", content, vocabulary, output_tokens=9)["output_tokens"].to_pylist() == [9, 7]
    assert counts_of(read(tmp_path, "r.jsonl", content, vocabulary, bad_turns="skip")) == FileCounts(2, 0, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "r.json",
            json.dumps([*INSTRUCTIONS, {"instruction": "a"}]),
            "line 1, entry 4: not an object with instruction and",
        ),
        ("r.json", json.dumps([INSTRUCTIONS[0] | {"instruction": ""}]), "line 1, entry 1: empty instruction"),
        ("r.json", json.dumps([INSTRUCTIONS[0] | {"output": " "}]), "line 1, entry 1: empty output"),
        ("r.json", json.dumps([INSTRUCTIONS[0] | {"output": 5}]), "line 1, entry 1: output is int, not text"),
        ("r.jsonl", batch() + '{"custom_id": "y"}', "line 2: no body with a request"),
        ("r.jsonl", batch(prompt="a"), "line 1: give either messages or prompt in body"),
        ("r.jsonl", batch(messages=None), "line 1: give either messages or prompt in body"),
        ("r.jsonl", batch(messages="a"), "line 1: messages is not a list of objects"),
        ("r.jsonl", batch(messages=[]), "line 1: empty prompt"),
        ("r.jsonl", batch(messages=[{"content": [{"type": "image_url"}]}]), "line 1: content of a message is not text"),
        ("r.jsonl", batch(messages=None, prompt=["a", "b"]), "line 1: prompt_token_ids is not a list of whole numbers"),
        ("r.jsonl", batch(max_tokens=None), "line 1: no max_completion_tokens"),
        ("r.jsonl", batch(max_tokens=-1), "line 1: max_tokens is -1"),
        ("r.jsonl", batch() + batch(), "line 2: duplicate id 'x', first used on line 1"),
    ],
)
def test_faults_are_named(tmp_path: Path, vocabulary: Vocabulary, name: str, content: str, message: str) -> None:
    with refused() as caught:
        read(tmp_path, name, content, vocabulary)
    assert f"{tmp_path / name}: {message}" in str(caught.value)


SAMPLES = {
    "jsonl": line(),
    "vllm-bench": '{"prompt": "a", "output_tokens": 1, "more": 1}\n',
    "openai-batch": batch(),
    "sharegpt": json.dumps([conversation("a", "b")]),
    "lmsys": '{"conversation_id": "c", "conversation": []}\n',
    "alpaca": json.dumps(INSTRUCTIONS),
    "csv": "prompt_tokens,output_tokens\n1,2\n",
    "azure": AZURE,
    "burstgpt": BURST,
    "mooncake": MOONCAKE,
}


@pytest.mark.parametrize("name", ["r", "r.csv", "r.jsonl", "r.json", "r.txt"])
@pytest.mark.parametrize("said", FORMATS)
def test_content_says_what_a_file_is(tmp_path: Path, said: str, name: str) -> None:
    """Whatever it is called; only what vLLM takes beyond our own JSONL has to be named."""
    (tmp_path / name).write_text(SAMPLES[said])
    assert format_of(RequestFile(tmp_path / name)) == ("jsonl" if said == "vllm-bench" else said)
    assert format_of(RequestFile(tmp_path / name, format=said)) == said
    for other in set(FORMATS) - {said, "jsonl", "vllm-bench"}:
        with refused(rf"{name}: line 1: the file is \S+, not {other}; correct the key format, or leave it out"):
            format_of(RequestFile(tmp_path / name, format=other))


def test_an_object_with_the_keys_of_two_formats_is_what_its_key_says(tmp_path: Path, vocabulary: Vocabulary) -> None:
    content = '{"prompt": "a", "output_tokens": 2, "instruction": "b", "output": "cde"}\n'
    assert read(tmp_path, "r.jsonl", content, vocabulary)["text"].to_pylist() == ["b"]
    assert read(tmp_path, "r.jsonl", content, vocabulary, format="vllm-bench")["text"].to_pylist() == ["a"]
    with refused("line 1: unknown key 'instruction'"):
        read(tmp_path, "r.jsonl", content, vocabulary, format="jsonl")


@pytest.mark.parametrize(
    ("said", "given", "line"),
    [
        ("azure", {"turns": "all"}, r"the key turns is for sharegpt, lmsys, but the file is azure; remove it"),
        ("jsonl", {"turns": "all"}, r"the key turns is for sharegpt, lmsys, but the file is jsonl; remove it"),
        (
            "alpaca",
            {"output_tokens": 5},
            r"the key output_tokens is for jsonl, vllm-bench, openai-batch, but .* alpaca",
        ),
    ],
)
def test_a_key_that_does_not_apply_to_a_format_is_refused(
    tmp_path: Path, vocabulary: Vocabulary, said: str, given: dict[str, Any], line: str
) -> None:
    with refused(line):
        read(tmp_path, "r", SAMPLES[said], vocabulary, **given)


def test_the_schema_and_the_readers_know_the_same_formats() -> None:
    assert set(FORMATS) == {*ROWS, *LINES}
    schema = read_yaml(SCHEMA)["$defs"]
    user = next(kind for kind in schema["workload"]["oneOf"] if kind["properties"]["kind"]["const"] == "user")
    assert tuple(user["properties"]["format"]["enum"]) == FORMATS
    assert set(schema["replay"]["properties"]["format"]["enum"]) == {"jsonl", *LINES}
