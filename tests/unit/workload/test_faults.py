"""Faults in users' files: each error names the file, the line and the reason."""

import gzip
import json
import re

import pytest
from builders.refusals import refused
from builders.user_files import GOOD, LIMIT, TOO_LONG, conversation, line, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.errors import UserError
from kvbench.workload.request_file import RequestFile
from kvbench.workload.selection import Selection
from kvbench.workload.user import read_user_file

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.jsonl", GOOD + line(prompt=""), "line 2: empty prompt"),
        ("r.jsonl", GOOD + line(prompt=" \n"), "line 2: empty prompt"),
        ("r.jsonl", GOOD + line(prompt=5), "line 2: prompt is int, not text"),
        ("r.jsonl", line(prompt="\ud800"), "line 1: prompt contains half a surrogate pair"),
        ("r.jsonl", '{"prompt_token_ids": [], "output_tokens": 1}', "line 1: empty prompt_token_ids"),
        ("r.jsonl", '{"prompt_token_ids": [1, "2"], "output_tokens": 1}', "line 1: prompt_token_ids is not a list"),
        ("r.jsonl", '{"prompt_token_ids": [300], "output_tokens": 1}', "line 1: token id 300 is outside"),
        ("r.jsonl", '{"prompt_token_ids": [3, -1], "output_tokens": 1}', "line 1: token id -1 is outside"),
        ("r.jsonl", line(prompt_token_ids=[1]), "line 1: give either prompt or prompt_token_ids"),
        ("r.jsonl", line(prompt=None, prompt_token_ids=None), "line 1: give either prompt or prompt_token_ids"),
        ("r.jsonl", '{"output_tokens": 1}', "line 1: give either prompt or prompt_token_ids"),
        ("r.jsonl", '{"prompt": "x"}', "line 1: no output_tokens"),
        ("r.jsonl", GOOD + line(output_tokens=0), "line 2: output_tokens is 0"),
        ("r.jsonl", line(output_tokens=-3), "line 1: output_tokens is -3"),
        ("r.jsonl", line(output_tokens=2.5), "line 1: output_tokens is 2.5"),
        ("r.jsonl", line(output_tokens=True), "line 1: output_tokens is True"),
        ("r.jsonl", line(output_tokens=10**12), "line 1: output_tokens is 1000000000000"),
        ("r.jsonl", GOOD + "\n" + TOO_LONG, "line 3: 601 prompt + 1 output tokens are more than max_length 512"),
        ("r.jsonl", GOOD + '{"prompt": "x", \n', "line 2: broken JSON"),
        ("r.jsonl", "[1]\n", "line 1: not an object"),
        ("r.jsonl", line(outputs=3), "line 1: unknown key 'outputs'"),
        ("r.jsonl", line(arrival_s=-1), "line 1: arrival_s is -1"),
        ("r.jsonl", '{"prompt": "x", "output_tokens": 1, "arrival_s": NaN}', "line 1: arrival_s is nan"),
        ("r.jsonl", line(arrival_s=10**400), "line 1: arrival_s is 1000"),
        ("r.jsonl", line(arrival_s=1e300), "line 1: arrival_s is 1e+300; give seconds from 0 to 4e+09"),
        ("r.csv", "10,5,5e9\n", "line 1: arrival_s is 5e+09; give seconds from 0 to 4e+09"),
        ("r.jsonl", line(request_id="a") + line(request_id="a"), "line 2: duplicate id 'a', first used on line 1"),
        ("r.jsonl", GOOD.encode() + "é\n".encode("latin-1"), "line 2: not UTF-8 (byte 0xe9)"),
        ("r.jsonl", "", "the file contains no request"),
        ("r.txt", "", "unknown format"),
        ("r.txt", "<xml>", "unknown format"),
        ("r.json", "hello", "line 1: not a JSON list"),
        ("r.json", "[{]", "line 1: broken JSON"),
        ("r.json", '[\n{"conv', "line 2: broken JSON"),
        ("r.json", '[{"a": 1}]', "line 1, entry 1: no list of conversations"),
        ("r.json", json.dumps([conversation("", "b")]), "line 1, entry 1: empty prompt"),
        (
            "r.json",
            json.dumps([conversation("a", "b"), conversation("a", "")], indent=1),
            "line 14, entry 2: empty reply",
        ),
        ("r.json", json.dumps([conversation("a", "b", id={})]), "line 1, entry 1: request id is {}"),
        ("r.jsonl", '{"prompt": "x", "prompt": "y", "output_tokens": 1}', "line 1: broken JSON (key prompt is written"),
        ("r.jsonl", line(request_id=None), "line 1: request id is None"),
        ("r.jsonl", line(request_id=""), "line 1: request id is ''"),
        ("r.csv", "10,1_0\n", "line 1: output_tokens is '1_0'"),
        ("r.csv", "10,nan\n", "line 1: output_tokens is nan"),
        ("r.csv", "10,inf\n", "line 1: output_tokens is inf"),
        ("r.csv", f"10,{'9' * 5000}\n", "line 1: output_tokens is inf"),
        ("r.csv", "10,5\n" + "1" * 200_000 + "\n", "line 2: broken CSV (field larger"),
        ("r.csv", "\n\n", "the file contains no request"),
        ("r.csv", "10,5\n10,0\n", "line 2: output_tokens is 0"),
        ("r.csv", "-1,5\n", "line 1: prompt_tokens is -1"),
        ("r.csv", "10,5\n10\n", "line 2: 1 columns"),
        ("r.csv", "10,5\nten,5\n", "line 2: prompt_tokens is 'ten'"),
        ("r.csv", "10,5,0,9\n", "line 1: 4 columns"),
        ("r.csv", "prompt,output\n1,2\n", "line 1: header prompt,output: unknown column 'prompt'; use prompt_tokens,"),
        ("r.csv", "prompt_tokens,arrival_s\n1,2\n", "line 1: header prompt_tokens,arrival_s; use prompt_tokens,"),
        (
            "r.csv",
            "\n,prompt_tokens,output_tokens,\n0,1,2,3\n",
            "line 2: header ,prompt_tokens,output_tokens,: unknown",
        ),
        ("r.csv", ",prompt_tokens,output_tokens\n0,1,2\n1,1,2,3\n", "line 3: 4 columns; use prompt_tokens,output_tok"),
        (
            "r.csv",
            "prompt_tokens;output_tokens\n1;2\n",
            "line 1: columns are separated by semicolons; separate them by",
        ),
        ("r.csv", "10\t5\n", "line 1: columns are separated by tabs"),
        ("r.csv", "10,5\n10,5.5\n", "line 2: output_tokens is 5.5; give a whole number"),
        ("r.csv", "10,5\n\nten,five\n", "line 3: prompt_tokens is 'ten'"),
        ("r.jsonl", '{"prompt_token_ids": [1, true], "output_tokens": 1}', "line 1: prompt_token_ids is not a list"),
        ("r.jsonl", '{"prompt_token_ids": [4294967297], "output_tokens": 1}', "line 1: token id 4294967297 is outside"),
        ("r.csv", "1000000000,5\n", "line 1: 1000000000 prompt + 5 output tokens"),
    ],
)
def test_faults_are_named(tmp_path, vocabulary, name, content, message):
    with refused() as caught:
        read(tmp_path, name, content, vocabulary)
    assert f"{tmp_path / name}: {message}" in str(caught.value)


def test_missing_file_is_named(tmp_path, vocabulary):
    with pytest.raises(UserError, match=r"gone\.csv: no such file"):
        read_user_file(RequestFile(tmp_path / "gone.csv"), vocabulary, LIMIT, 0, Selection())
    with pytest.raises(UserError, match="cannot be read"):
        read_user_file(RequestFile(tmp_path), vocabulary, LIMIT, 0, Selection())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(b"PAR1...", mtime=0), "Parquet; write it as CSV or JSONL"),
        (b"PK\x03\x04...", "a zip archive or a spreadsheet; "),
        (b"PAR1...", "Parquet; write it as CSV or JSONL"),
        ("10,5\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.jsonl", "r.json"])
def test_a_file_that_is_no_text_is_named_for_what_it_is(tmp_path, vocabulary, name, content, problem):
    with pytest.raises(UserError, match=re.escape(f"{name}: {problem}")):
        read(tmp_path, name, content, vocabulary)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=60),
    st.sampled_from(["r.jsonl", "r.json", "r.csv", "r.txt"]),
    st.sampled_from(["refuse", "skip"]),
)
def test_any_bytes_end_in_requests_or_one_line(tmp_path, vocabulary, content, name, bad_turns):
    reason = ""
    try:
        assert len(read(tmp_path, name, content, vocabulary, bad_turns=bad_turns)) > 0
    except UserError as error:
        reason = str(error)
    assert "\n" not in reason
