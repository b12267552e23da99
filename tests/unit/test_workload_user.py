"""Users' files: the three formats, and every fault named by file, line and reason."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models_for_tests import BOS, bare_model, byte_model

from kvbench.errors import UserError
from kvbench.workload.check import Limit, refuse_arrivals
from kvbench.workload.make import make_workload
from kvbench.workload.table import lengths_of
from kvbench.workload.user import read_user_file
from kvbench.workload.vocabulary import Vocabulary, load_vocabulary

LIMIT = Limit.of(512, 2048)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return load_vocabulary(byte_model(tmp_path_factory.mktemp("model")))


def read(tmp_path: Path, name: str, content: str | bytes, vocabulary: Vocabulary, **options):
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_user_file(file, vocabulary, options.pop("limit", LIMIT), 0, **options)


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


def conversation(*turns: str, **more) -> dict:
    return {"conversations": [{"from": "human", "value": turn} for turn in turns], **more}


def test_sharegpt(tmp_path, vocabulary):
    entries = [conversation("Hi", "Good day", "more", id="x"), conversation("only one turn"), conversation("a", "b")]
    rows = read(tmp_path, "r.json", json.dumps(entries), vocabulary).to_pylist()
    assert [(row["request_id"], row["text"], row["output_tokens"]) for row in rows] == [("x", "Hi", 8), ("3", "a", 1)]


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


def line(**entry) -> str:
    return json.dumps({"prompt": "x", "output_tokens": 1} | entry) + "\n"


GOOD = line()
TOO_LONG = line(prompt="y" * 600)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.jsonl", GOOD + line(prompt=""), "line 2: empty prompt"),
        ("r.jsonl", GOOD + line(prompt=" \n"), "line 2: empty prompt"),
        ("r.jsonl", GOOD + line(prompt=5), "line 2: prompt is int, not text"),
        ("r.jsonl", line(prompt="\ud800"), "line 1: prompt holds half a surrogate pair"),
        ("r.jsonl", '{"prompt_token_ids": [], "output_tokens": 1}', "line 1: empty prompt_token_ids"),
        ("r.jsonl", '{"prompt_token_ids": [1, "2"], "output_tokens": 1}', "line 1: prompt_token_ids is not a list"),
        ("r.jsonl", '{"prompt_token_ids": [300], "output_tokens": 1}', "line 1: token id 300 is outside"),
        ("r.jsonl", '{"prompt_token_ids": [3, -1], "output_tokens": 1}', "line 1: token id -1 is outside"),
        ("r.jsonl", line(prompt_token_ids=[1]), "line 1: give either prompt or prompt_token_ids"),
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
        ("r.jsonl", line(request_id="a") + line(request_id="a"), "line 2: duplicate id 'a', first on line 1"),
        ("r.jsonl", GOOD.encode() + "é\n".encode("latin-1"), "line 2: not UTF-8 (byte 0xe9)"),
        ("r.jsonl", "", "no request in it"),
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
        (
            "r.json",
            f"[\n{json.dumps(conversation('a', 'b', id='x'))} ,\n\n{json.dumps(conversation('c', 'd', id='x'))}]",
            "line 4, entry 2: duplicate id 'x', first on line 2, entry 1",
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
        ("r.csv", "\n\n", "no request in it"),
        ("r.csv", "10,5\n10,0\n", "line 2: output_tokens is 0"),
        ("r.csv", "-1,5\n", "line 1: prompt_tokens is -1"),
        ("r.csv", "10,5\n10\n", "line 2: 1 columns"),
        ("r.csv", "10,5\nten,5\n", "line 2: prompt_tokens is 'ten'"),
        ("r.csv", "10,5,0,9\n", "line 1: 4 columns"),
        ("r.csv", "prompt,output\n1,2\n", "line 1: header prompt,output"),
        ("r.csv", "1000000000,5\n", "line 1: 1000000000 prompt + 5 output tokens"),
    ],
)
def test_faults_are_named(tmp_path, vocabulary, name, content, message):
    with pytest.raises(UserError) as caught:
        read(tmp_path, name, content, vocabulary)
    assert f"{tmp_path / name}: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path, vocabulary):
    with pytest.raises(UserError, match=r"gone\.csv: no such file"):
        read_user_file(tmp_path / "gone.csv", vocabulary, LIMIT, 0)
    with pytest.raises(UserError, match="cannot be read"):
        read_user_file(tmp_path, vocabulary, LIMIT, 0)


def test_the_models_own_maximum_holds(tmp_path, vocabulary):
    with pytest.raises(UserError, match="the model's maximum of 20 tokens"):
        read(tmp_path, "r.csv", "19,2\n", vocabulary, limit=Limit.of(512, 20))
    assert len(read(tmp_path, "r.csv", "18,2\n", vocabulary, limit=Limit.of(512, 20))) == 1


def test_long_requests_can_be_left_out(tmp_path, vocabulary):
    assert len(read(tmp_path, "r.jsonl", GOOD + TOO_LONG, vocabulary, too_long="skip")) == 1
    assert len(read(tmp_path, "r.csv", "1000000000,1\n4,4\n", vocabulary, too_long="skip")) == 1


def test_text_needs_a_tokenizer_but_ids_and_lengths_do_not(tmp_path):
    bare = load_vocabulary(bare_model(tmp_path / "bare"))
    with pytest.raises(UserError, match="no tokenizer"):
        read(tmp_path, "r.jsonl", GOOD, bare)
    assert len(read(tmp_path, "ids.jsonl", '{"prompt_token_ids": [7], "output_tokens": 1}', bare)) == 1
    assert read(tmp_path, "r.csv", "5,5\n", bare)["text"].to_pylist() == [None]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1).filter(str.strip), st.integers(1, 400)), min_size=1, max_size=20))
def test_any_text_survives(tmp_path, vocabulary, entries):
    content = "".join(
        json.dumps({"prompt": text, "output_tokens": n}, ensure_ascii=False) + "\n" for text, n in entries
    )
    table = read(tmp_path, "r.jsonl", content, vocabulary, limit=Limit.of(10**6, 10**6))
    assert table["text"].to_pylist() == [text for text, _ in entries]
    expected = [len(text.encode()) + 1 for text, _ in entries]
    assert lengths_of(table)[0].tolist() == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["r.jsonl", "r.json", "r.csv", "r.txt"]))
def test_any_bytes_end_in_requests_or_one_line(tmp_path, vocabulary, content, name):
    reason = ""
    try:
        assert len(read(tmp_path, name, content, vocabulary)) > 0
    except UserError as error:
        reason = str(error)
    assert "\n" not in reason


def test_arrivals_keep_their_order_and_live_engines_refuse_them(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("".join(f"{10 + i},{5},{i / 10}\n" for i in range(20)))
    table = make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"))
    assert table["arrival_s"].to_pylist() == [i / 10 for i in range(20)]
    with pytest.raises(UserError, match=r"r\.csv: request 2 arrives at 0\.1 s"):
        refuse_arrivals(table, file)
    with pytest.raises(UserError, match=r"r\.csv: line 2: arrives at 0\.1 s, but engines take all requests at 0 s"):
        make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"), live=True)
    file.write_text("10,5,0\n10,5\n")
    assert len(
        make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"), live=True)
    )


def test_a_sample_of_a_file_without_arrivals(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("".join(f"{10 + i},{5}\n" for i in range(100)))
    settings_ = {"kind": "user", "file": str(file), "requests": 30}
    tables = [make_workload(settings_, "mine", seed, 512, bare_model(tmp_path / "m")) for seed in (0, 0, 1)]
    assert [len(table) for table in tables] == [30] * 3
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    refuse_arrivals(tables[0], file)
