"""Users' files: the three formats, and every fault named by file, line and reason."""

import gzip
import json
import re

import pandas as pd
import pytest
from builders.models import BOS, bare_model
from builders.refusals import refused
from builders.user_files import GOOD, LIMIT, TOO_LONG, conversation, line, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.analysis.tables import workloads
from kvbench.errors import UserError
from kvbench.files import read_parquet, write_csv, write_parquet
from kvbench.report.tables import workloads_view
from kvbench.workload.check import Limit, refuse_arrivals
from kvbench.workload.formats import file_text
from kvbench.workload.formats.json_items import items
from kvbench.workload.make import make_workload
from kvbench.workload.selection import FileCounts, Selection, counts_of
from kvbench.workload.table import lengths_of
from kvbench.workload.user import read_user_file
from kvbench.workload.vocabulary import Vocabulary, load_vocabulary

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
    """Columns of both kinds of prompt, whose gaps become null and whose numbers become 3.0."""
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
        read_user_file(tmp_path / "gone.csv", vocabulary, LIMIT, 0, Selection())
    with pytest.raises(UserError, match="cannot be read"):
        read_user_file(tmp_path, vocabulary, LIMIT, 0, Selection())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (gzip.compress(b"10,5\n"), "compressed by gzip; unpack it first"),
        (b"PK\x03\x04...", "a zip archive or a spreadsheet; "),
        (b"PAR1...", "Parquet; write it as CSV or JSONL"),
        ("10,5\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["r.csv", "r.csv.gz", "r.jsonl", "r.json"])
def test_a_file_that_is_no_text_is_named_for_what_it_is(tmp_path, vocabulary, name, content, problem):
    with pytest.raises(UserError, match=re.escape(f"{name}: {problem}")):
        read(tmp_path, name, content, vocabulary)


def test_the_models_own_maximum_holds(tmp_path, vocabulary):
    with pytest.raises(UserError, match="the model's maximum of 20 tokens"):
        read(tmp_path, "r.csv", "19,2\n", vocabulary, limit=Limit.of(512, 20))
    assert len(read(tmp_path, "r.csv", "18,2\n", vocabulary, limit=Limit.of(512, 20))) == 1


def test_long_requests_can_be_left_out(tmp_path, vocabulary):
    table = read(tmp_path, "r.jsonl", GOOD + TOO_LONG + GOOD + TOO_LONG, vocabulary, too_long="skip")
    assert counts_of(table) == FileCounts(4, 2, 0)
    assert len(table) == 2
    table = read(tmp_path, "r.csv", "1000000000,1\n4,4\n", vocabulary, too_long="skip")
    assert counts_of(table) == FileCounts(2, 1, 0)
    with pytest.raises(
        UserError, match=r"r\.csv: all 2 requests are left out: 1 too long, 1 with bad turns; give others"
    ):
        read(tmp_path, "r.csv", "1000,1\n4,0\n", vocabulary, too_long="skip", bad_turns="skip")


def test_texts_are_encoded_some_at_a_time(tmp_path, vocabulary, monkeypatch):
    content = json.dumps([conversation("a" * n, "b" * (n + 1)) for n in range(1, 8)])
    whole = read(tmp_path, "r.json", content, vocabulary)
    monkeypatch.setattr("kvbench.workload.user.BATCH", 3)
    assert read(tmp_path, "r.json", content, vocabulary).equals(whole)
    assert [lengths.tolist() for lengths in lengths_of(whole)] == [[*range(2, 9)], [*range(2, 9)]]


BAD = [
    ("r.json", conversation("", "b"), "empty prompt"),
    ("r.json", conversation("a", " \n"), "empty reply"),
    ("r.json", conversation("a", None), "no reply"),
    ("r.json", {"conversations": [{"from": "human"}, {"from": "gpt", "value": "b"}]}, "no prompt"),
    ("r.json", conversation("a"), "fewer than two turns"),
    ("r.json", {"conversations": []}, "fewer than two turns"),
    ("r.json", conversation("b", "a", speakers=("gpt", "human")), "the first turn is from gpt, no prompt"),
    ("r.json", conversation("s", "a", speakers=("system", "human")), "the first turn is from system, no prompt"),
    ("r.json", conversation("a", "a", speakers=("human", "human")), "the second turn is from human, no reply"),
    ("r.json", conversation("a", "\ud800"), "reply holds half a surrogate pair"),
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
    """A good request, a bad one and another good one."""
    if name == "r.json":
        return "[\n" + ",\n".join(map(json.dumps, [conversation("a", "b"), bad, conversation("c", "d")])) + "\n]"
    good, text = ("7,2", bad) if name == "r.csv" else (GOOD.strip(), json.dumps(bad))
    return "\n".join([good, text, good])


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
    """A tokenizer that makes no token of some text."""

    def encode(self, texts, limit=None, special=True):
        return [[] if text == "mute" else [5] for text in texts]


@pytest.mark.parametrize(("given", "what"), [(("mute", "b"), "prompt"), (("a", "mute"), "reply")])
def test_text_without_tokens_is_a_bad_turn(tmp_path, given, what):
    vocabulary = Vocabulary("m", 300, frozenset(), Deaf())
    content = json.dumps([conversation("a", "b"), conversation(*given)])
    with pytest.raises(UserError, match=f"entry 2: .* makes no token of the {what}; give other text, or set bad_turns"):
        read(tmp_path, "r.json", content, vocabulary)
    assert counts_of(read(tmp_path, "r.json", content, vocabulary, bad_turns="skip")) == FileCounts(2, 0, 1)


@pytest.mark.parametrize(
    "bad", ['{"a": 1}', '{"conversations": [5]}', '{"conversations": [{"value": 5}, {"value": "b"}]}']
)
def test_what_is_no_bad_turn_is_refused_all_the_same(tmp_path, vocabulary, bad):
    with pytest.raises(UserError, match="line 1, entry 1: "):
        read(tmp_path, "r.json", f"[{bad}]", vocabulary, bad_turns="skip")
    with pytest.raises(UserError, match="line 2: output_tokens is -1"):
        read(tmp_path, "r.csv", "10,5\n10,-1\n", vocabulary, bad_turns="skip")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_list_is_read_in_pieces(tmp_path, monkeypatch, size):
    monkeypatch.setattr(file_text, "PIECE_BYTES", size)
    file = tmp_path / "r.json"
    entries = [conversation("é😀", "b"), {"conversations": [], "id": "x, ]["}, conversation("c" * 50, "\n\u2028")]
    for content in (json.dumps(entries, ensure_ascii=False), json.dumps(entries, indent=2), " [ ] \n", "\ufeff[]"):
        file.write_text(content, encoding="utf-8")
        assert [entry for _, entry in items(file)] == json.loads(content.lstrip("\ufeff"))
    file.write_text("[\n{},\n\n {\n}\n,3]")
    assert [line for line, _ in items(file)] == [2, 4, 6]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), max_size=4), st.integers(1, 9), st.booleans())
def test_any_list_of_objects_is_read_as_json_reads_it(tmp_path, entries, size, ascii_):
    file = tmp_path / "r.json"
    file.write_text(json.dumps(entries, ensure_ascii=ascii_, indent=1), encoding="utf-8", errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_text, "PIECE_BYTES", size)
        assert [entry for _, entry in items(file)] == json.loads(file.read_text("utf-8"))


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        *(("[{}, ]", 1), ("[\n{}\n{}]", 3), ("[{}]\n x", 2), ("[{}\n", 2)),
        *(("", 1), ("{}", 1), ("[\n{\n'a'}]", 3), ("[" * 9**5, 1)),
    ],
)
def test_a_broken_list_is_named_by_its_line(tmp_path, monkeypatch, size, content, line):
    monkeypatch.setattr(file_text, "PIECE_BYTES", size if len(content) < 100 else 1 << 20)
    file = tmp_path / "r.json"
    file.write_text(content)
    with pytest.raises(UserError, match=rf"r\.json: line {line}: broken JSON"):
        list(items(file))
    file.write_bytes(b"[{},\n\xe9]")
    with pytest.raises(UserError, match=r"line 2: not UTF-8 \(byte 0xe9\)"):
        list(items(file))


def test_counts_stay_with_the_workload_and_its_file(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("".join(f"{10 + i},{i % 50}\n" for i in range(600)))
    own = {"kind": "user", "file": str(file), "requests": 30, "too_long": "skip", "bad_turns": "skip"}
    made = make_workload(own, "mine", 0, 512, bare_model(tmp_path / "m"))
    write_parquet(tmp_path / "m/mine.parquet", made)
    found = counts_of(read_parquet(tmp_path / "m/mine.parquet"))
    long = sum(10 + i + i % 50 > 512 for i in range(600) if i % 50)
    assert found == FileCounts(600, long, 12)
    assert found.words(30, "r.csv") == (
        f"30 of 600 requests of r.csv (left out: {long} too long, 12 with bad turns, {558 - long} not asked for)"
    )
    assert FileCounts(30, 0, 0).words(30) == "30 requests of the file"
    assert FileCounts(30, 0, 0).left_out(30) == ""
    write_parquet(
        tmp_path / "m/drawn.parquet", make_workload({"kind": "mixed"}, "d", 0, 512, bare_model(tmp_path / "m"))
    )
    write_csv(tmp_path / "w.csv", workloads.table([tmp_path / "m/mine.parquet", tmp_path / "m/drawn.parquet"]))
    rows = (tmp_path / "w.csv").read_text().splitlines()
    assert rows[0].endswith(",requests_in_file,skipped_too_long,skipped_bad_turns")
    assert all(row.endswith(f",600,{long},12") for row in rows[1:4])
    assert all(row.endswith(",,,") for row in rows[4:])
    view = workloads_view(pd.read_csv(tmp_path / "w.csv").head(3))
    assert list(view["left out, too long"]) == [str(long)] * 3
    assert list(view["requests in the file"]) == ["600"] * 3


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
