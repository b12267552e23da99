"""Faults in traces: one line each, with the file, the line and the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.refusals import refused
from builders.trace_files import AZURE, AZURE_HEADER, BURST_HEADER, MOONCAKE, columns

EARLY, LATE = "2023-11-16 18:15:46.6805900", "2023-11-16 18:15:47"


def azure(*lines: str) -> str:
    """Return a file of Azure's format with these lines."""
    return "\n".join([AZURE_HEADER, *lines])


def burst(*lines: str) -> str:
    """Return a file of BurstGPT's format with these lines."""
    return "\n".join([BURST_HEADER, *lines])


def one(**entry: object) -> str:
    """Return a line of Mooncake's format; None leaves a key out."""
    whole = {"timestamp": 0, "input_length": 600, "output_length": 3, "hash_ids": [1]} | entry
    return json.dumps({key: value for key, value in whole.items() if value != "none"}) + "\n"


BLOCKS = "use a trace with blocks of 512"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (azure(f"{EARLY},5,5", f"{LATE},5"), "line 3: 2 columns; use TIMESTAMP,ContextTokens,GeneratedTokens"),
        (azure(f"{EARLY},5,5", "", f"{LATE},five,5"), "line 4: ContextTokens is 'five'; give a whole number"),
        (azure(f"{EARLY},5,5", f"{LATE},5,-1"), "line 3: GeneratedTokens is -1; give"),
        (
            azure(f"{EARLY},5,5", f"{LATE},,5"),
            "line 3: no ContextTokens; give a whole number of at least 1, or set bad_",
        ),
        (azure(f"{EARLY},5,5", f"{LATE},5,0"), "line 3: GeneratedTokens is 0; give"),
        (azure(f"{EARLY},5,5", f"{LATE},5,2.5"), "line 3: GeneratedTokens is 2.5; give"),
        (azure(f"{EARLY},5,5", f"{LATE},5,1e10"), "line 3: GeneratedTokens is 10000000000; give"),
        (azure("yesterday,5,5"), "line 2: TIMESTAMP is 'yesterday'; write it like 2023-11-16 18:15:46.6805900"),
        (azure("2023-13-16 18:15:46,5,5"), "line 2: TIMESTAMP is '2023-13-16 18:15:46'"),
        (azure(f"{EARLY},5,5", ",5,5"), "line 3: TIMESTAMP is ''"),
        (azure(f"{EARLY},5,5", f"{EARLY},9000,5000"), "line 3: 9000 prompt + 5000 output tokens are more than max_len"),
        (
            azure(f"{LATE},5,5", f"{EARLY},5,5"),
            "line 3: arrives at -0.31941 s, the previous request at 0 s; sort the file by TIMESTAMP",
        ),
        (azure(), "the file contains no request"),
        ("TIMESTAMP,ContextTokens\n1,2\n", "line 1: header TIMESTAMP,ContextTokens: unknown column 'TIMESTAMP'"),
        (burst("5,x,6,7,13,x", "6,x,7,8"), "line 3: 4 columns; use Timestamp,Model,Request tokens,Response tokens"),
        (burst("5,x,6,7,13,x", "soon,x,6,7,13,x"), "line 3: Timestamp is 'soon'; give seconds"),
        (burst("nan,x,6,7,13,x"), "line 2: Timestamp is nan; give seconds"),
        (burst("5,x,6,7,13,x", "6,x,-7,8,1,x"), "line 3: Request tokens is -7"),
        (burst("5,x,6,7,13,x", "6,x,,8,1,x"), "line 3: no Request tokens"),
        (burst("5,x,6,7,13,x", "4.5,x,6,7,1,x"), "line 3: arrives at -0.5 s, the previous request at 0 s; sort the fi"),
        (BURST_HEADER, "the file contains no request"),
        (MOONCAKE + "{\n", "line 5: broken JSON ("),
        (MOONCAKE + "5\n", "line 5: not an object"),
        (one() + one(input_length=-1), "line 2: input_length is -1"),
        (one() + one(output_length=None), "line 2: no output_length"),
        (one() + one(output_length="none"), "line 2: no output_length; mooncake has timestamp, input_length"),
        (one() + one(hash_ids="none"), "line 2: no hash_ids; mooncake has"),
        (
            one() + one(hash_ids=[1, 2, 3]),
            f"line 2: 3 hash_ids for input_length 600, which is 2 blocks of 512 tokens; {BLOCKS}",
        ),
        (one() + one(input_length=1024, hash_ids=[1]), "line 2: 1 hash_ids for input_length 1024, which is 2 bl"),
        (one() + one(input_length=1024, hash_ids=[1, 2, 3]), "line 2: 3 hash_ids for input_length 1024, which is 2 bl"),
        (one() + one(hash_ids=[-1]), "line 2: hash_ids is not a list of whole numbers"),
        (one() + one(hash_ids=[1.5]), "line 2: hash_ids is not a list of whole numbers"),
        (one() + one(hash_ids=[None]), "line 2: hash_ids is not a list of whole numbers"),
        (one() + one(hash_ids=None), "line 2: hash_ids is not a list of whole numbers"),
        (one() + one(hash_ids=[1 << 62]), "line 2: hash_ids is not a list of whole numbers"),
        ("null\n" + one(), "line 1: not an object"),
        (one() + "null\n", "line 2: not an object"),
        (one() + one(timestamp=10**400), "line 2: timestamp is 1000"),
        (one() + one(timestamp="0"), "line 2: timestamp is '0'; give milliseconds"),
        (one() + one(timestamp=None), "line 2: timestamp is None; give milliseconds"),
        (
            one(timestamp=9) + one(timestamp=8),
            "line 2: arrives at -0.001 s, the previous request at 0 s; sort the file",
        ),
    ],
)
def test_faults_are_named(tmp_path: Path, content: str, message: str) -> None:
    name, given = ("t.jsonl", {"format": "mooncake"}) if content.startswith(("{", "null")) else ("t.csv", {})
    with refused() as caught:
        columns(tmp_path, name, content, **given)
    assert f"{tmp_path / name}: {message}" in str(caught.value)


def test_two_blocks_of_a_file_are_in_order_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvbench.workload.formats.file_text.PIECE_BYTES", 16)
    content = "10,5,1\n10,5,2\n10,5,3\n10,5,4\n10,5,3.5\n10,5,6\n"
    with refused(r"line 5: arrives at 3\.5 s, the previous request at 4 s; sort the file by arrival_s"):
        columns(tmp_path, "r.csv", content)
    assert columns(tmp_path, "r.csv", content, most=4).arrival_s.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "given", "message"),
    [
        (AZURE, "burstgpt", "line 1: the file is azure, not burstgpt; correct the key format, or leave it out"),
        (AZURE, "csv", "line 1: the file is azure, not csv"),
        (AZURE, "mooncake", "line 1: the file is azure, not mooncake"),
        (MOONCAKE, "azure", "line 1: the file is mooncake, not azure"),
        ("prompt_tokens,output_tokens\n1,2\n", "azure", "line 1: the file is csv, not azure"),
        ("1,2\n", "azure", "line 1: '1,2' is not the header TIMESTAMP,ContextTokens,GeneratedTokens of azure; add it"),
        ("1,2\n", "burstgpt", "line 1: '1,2' is not the header of burstgpt, which has Timestamp, Request tokens, Resp"),
        ("1,2\n", "mooncake", "line 1: broken JSON ("),
        ("", "azure", "the file contains no request; give at least one"),
        ("", "mooncake", "the file contains no request; give at least one"),
    ],
)
def test_a_format_that_does_not_fit_is_named(tmp_path: Path, content: str, given: str, message: str) -> None:
    with refused() as caught:
        columns(tmp_path, "t.csv", content, format=given)
    assert f"{tmp_path / 't.csv'}: {message}" in str(caught.value)


def test_ids_of_a_csv_are_unique(tmp_path: Path) -> None:
    content = "request_id,prompt_tokens,output_tokens\na,1,2\nb,1,2\na,1,2\n"
    with refused(r"r\.csv: line 4: duplicate id 'a', first used on line 2; make the ids unique"):
        columns(tmp_path, "r.csv", content)
