"""The three formats of users' files, as programs and people write them."""

import json

import pandas as pd
import pytest
from builders.models import BOS
from builders.user_files import conversation, read

from kvbench.errors import UserError
from kvbench.workload.table import lengths_of

pytestmark = pytest.mark.engine

JSONL = """{"prompt": "Hello", "output_tokens": 3}

{"request_id": "b", "prompt_token_ids": [5, 6], "output_tokens": 4, "arrival_s": 0.5}
"""


@pytest.mark.parametrize("name", ["r.jsonl", "r.ndjson", "r.txt", "r.json"])
def test_jsonl(tmp_path, vocabulary, name):
    rows = read(tmp_path, name, "\ufeff" + JSONL, vocabulary).to_pylist()
    assert rows[0]["request_id"] == "1"
    assert rows[0]["prompt_token_ids"][0] == BOS
    assert len(rows[0]["prompt_token_ids"]) == 6
    assert rows[0] | {"prompt_token_ids": 0} == {
        "request_id": "1", "text": "Hello", "prompt_token_ids": 0, "output_tokens": 3, "arrival_s": 0.0,
    }  # fmt: skip
    assert rows[1] == {
        "request_id": "b", "text": None, "prompt_token_ids": [5, 6], "output_tokens": 4, "arrival_s": 0.5,
    }  # fmt: skip


def test_jsonl_of_a_frame_goes_through_pandas(tmp_path, vocabulary):
    """pandas fills the gaps of both prompt columns with null and writes whole numbers as 3.0."""
    frame = pd.DataFrame(
        {
            "prompt": ["Hello", None],
            "prompt_token_ids": [None, [5, 6]],
            "output_tokens": [3, 4],
            "arrival_s": [None, 0.5],
        }
    )
    content = frame.astype({"output_tokens": float}).to_json(orient="records", lines=True)
    assert '"prompt":null' in content
    assert '"arrival_s":null' in content
    assert '"output_tokens":3.0' in content
    rows = read(tmp_path, "r.jsonl", content, vocabulary).to_pylist()
    assert [(row["text"], row["output_tokens"], row["arrival_s"]) for row in rows] == [("Hello", 3, 0), (None, 4, 0.5)]
    assert rows[1]["prompt_token_ids"] == [5, 6]


def test_sharegpt(tmp_path, vocabulary):
    entries = [conversation("Hi", "Good day", "more", id="x"), conversation("only one turn"), conversation("a", "b")]
    rows = read(tmp_path, "r.json", json.dumps(entries), vocabulary, bad_turns="skip").to_pylist()
    assert [(row["request_id"], row["text"], row["output_tokens"]) for row in rows] == [("x", "Hi", 8), ("3", "a", 1)]


def test_conversations_with_the_same_id_or_none_are_told_apart(tmp_path, vocabulary):
    ids = ["x", "x", None, 3, "x", "x-5"]
    entries = [conversation("a", "b", id=one) for one in ids] + [conversation("a", "b")]
    rows = read(tmp_path, "r.json", json.dumps(entries), vocabulary)
    assert rows["request_id"].to_pylist() == ["x", "x-2", "3", "3-4", "x-5", "x-5-6", "7"]


@pytest.mark.parametrize("name", ["r.csv", "r.txt"])
@pytest.mark.parametrize("header", ["", "prompt_tokens,output_tokens\n"])
def test_csv_of_lengths(tmp_path, vocabulary, name, header):
    table = read(tmp_path, name, header + "10, 5\r\n\n7,2\n", vocabulary)
    assert [lengths.tolist() for lengths in lengths_of(table)] == [[10, 7], [5, 2]]
    assert [len(text) for text in table["text"].to_pylist()] == [10, 7]


def test_csv_with_quotes_as_spreadsheets_write_it(tmp_path, vocabulary):
    content = '"request_id","prompt_tokens","output_tokens"\r\n"a, b","10","5"\r\n'
    [row] = read(tmp_path, "r.csv", "\ufeff" + content, vocabulary).to_pylist()
    assert (row["request_id"], len(row["prompt_token_ids"]), row["output_tokens"]) == ("a, b", 10, 5)


def test_csv_columns_by_name(tmp_path, vocabulary):
    content = "request_id,output_tokens,prompt_tokens,arrival_s\nq,5,10,1.5\n"
    [row] = read(tmp_path, "r.csv", content, vocabulary).to_pylist()
    assert (row["request_id"], len(row["prompt_token_ids"]), row["output_tokens"], row["arrival_s"]) == (
        "q",
        10,
        5,
        1.5,
    )


INDEXED = ",prompt_tokens,output_tokens\n0,10,5\n1,7,2\n"

HEADED = "prompt_tokens,output_tokens\n10,5\n7,2\n"


@pytest.mark.parametrize(
    "content",
    [
        INDEXED,
        INDEXED.replace(",prompt", "Unnamed: 0,prompt"),
        '"",prompt_tokens,output_tokens\r\n"0","10","5"\r\n"1","7","2"\r\n',
        "\n" + HEADED,
        "\r\n \r\n" + HEADED.replace("\n", "\r\n") + "\r\n\n",
        "\n" + INDEXED,
        ",,\n" + HEADED,
        "\n10,5\n7,2",
        " prompt_tokens ,\toutput_tokens \n 10 , 5 \n7\t,2 \n",
        "prompt_tokens,output_tokens\n10.0,5.0\n7.0,2\n",
        ",prompt_tokens,output_tokens,arrival_s\n0,10.0,5,0.0\n1,7.0,2,\n",
        HEADED.replace("\n", "\r"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_as_pandas_and_spreadsheets_write_it(tmp_path, vocabulary, mark, content):
    table = read(tmp_path, "r.csv", mark + content, vocabulary)
    assert [lengths.tolist() for lengths in lengths_of(table)] == [[10, 7], [5, 2]]


def test_a_frame_with_a_gap_goes_through_pandas_and_back(tmp_path, vocabulary):
    frame = pd.DataFrame({"prompt_tokens": [10, None, 7], "output_tokens": [5, 4, 2]})
    content = frame.to_csv()
    assert "10.0" in content
    with pytest.raises(UserError, match=r"r\.csv: line 3: no prompt_tokens; .*, or set bad_turns: skip to"):
        read(tmp_path, "r.csv", content, vocabulary)
    table = read(tmp_path, "r.csv", content, vocabulary, bad_turns="skip")
    assert [lengths.tolist() for lengths in lengths_of(table)] == [[10, 7], [5, 2]]


@pytest.mark.parametrize("content", ["\n\n" + JSONL, "\ufeff\r\n" + JSONL.replace("\n", "\r\n") + "\r\n  \n"])
def test_jsonl_with_blank_lines_at_its_ends(tmp_path, vocabulary, content):
    rows = read(tmp_path, "r.jsonl", content, vocabulary).to_pylist()
    assert [row["output_tokens"] for row in rows] == [3, 4]
    assert rows[0]["request_id"] == str(1 + content.index("{", 0) - content.replace("\n", "").index("{"))
