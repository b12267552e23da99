"""Requests in users' files: which are read, which are left out and counted, and which arrivals are used."""

import json

import pandas as pd
import pytest
from builders.models import bare_model
from builders.user_files import GOOD, TOO_LONG, conversation, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.analysis.tables import workloads
from kvbench.errors import UserError
from kvbench.files import read_parquet, write_csv, write_parquet
from kvbench.report.tables.runs import workloads_view
from kvbench.workload.check import Limit, check_arrivals
from kvbench.workload.make import make_workload
from kvbench.workload.selection import FileCounts, counts_of
from kvbench.workload.table import lengths_of
from kvbench.workload.vocabulary import load_vocabulary


@pytest.mark.engine
def test_the_models_own_maximum_holds(tmp_path, vocabulary):
    with pytest.raises(UserError, match="the model's maximum of 20 tokens"):
        read(tmp_path, "r.csv", "19,2\n", vocabulary, limit=Limit.of(512, 20))
    assert len(read(tmp_path, "r.csv", "18,2\n", vocabulary, limit=Limit.of(512, 20))) == 1


@pytest.mark.engine
def test_long_requests_can_be_left_out(tmp_path, vocabulary):
    table = read(tmp_path, "r.jsonl", GOOD + TOO_LONG + GOOD + TOO_LONG, vocabulary, too_long="skip")
    assert counts_of(table) == FileCounts(4, 2, 0)
    assert len(table) == 2
    table = read(tmp_path, "r.csv", "1000000000,1\n4,4\n", vocabulary, too_long="skip")
    assert counts_of(table) == FileCounts(2, 1, 0)
    with pytest.raises(
        UserError, match=r"r\.csv: all 2 requests are left out: 1 too long, 1 with bad turns; use another file"
    ):
        read(tmp_path, "r.csv", "1000,1\n4,0\n", vocabulary, too_long="skip", bad_turns="skip")


@pytest.mark.engine
def test_texts_are_encoded_some_at_a_time(tmp_path, vocabulary, monkeypatch):
    content = json.dumps([conversation("a" * n, "b" * (n + 1)) for n in range(1, 8)])
    whole = read(tmp_path, "r.json", content, vocabulary)
    monkeypatch.setattr("kvbench.workload.user.BATCH", 3)
    assert read(tmp_path, "r.json", content, vocabulary).equals(whole)
    assert [lengths.tolist() for lengths in lengths_of(whole)] == [[*range(2, 9)], [*range(2, 9)]]


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


@pytest.mark.engine
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


def test_arrivals_keep_their_order_and_live_engines_refuse_them(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("".join(f"{10 + i},{5},{i / 10}\n" for i in range(20)))
    table = make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"))
    assert table["arrival_s"].to_pylist() == [i / 10 for i in range(20)]
    with pytest.raises(UserError, match=r"r\.csv: request 2 arrives at 0\.1 s"):
        check_arrivals(table, file, None)
    with pytest.raises(UserError, match=r"r\.csv: line 2: arrives at 0\.1 s, but engines get all requests at 0 s"):
        make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"), live=True)
    file.write_text("10,5,0\n10,5\n")
    assert len(
        make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"), live=True)
    )


def test_a_run_takes_arrivals_from_its_file_only_where_it_says_so(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("10,5,0\n10,5,2\n10,5,1\n")
    table = make_workload({"kind": "user", "file": str(file)}, "mine", 0, 512, bare_model(tmp_path / "m"))
    with pytest.raises(UserError, match=r"r\.csv: request 3 arrives at 1 s, the one before it at 2 s; sort"):
        check_arrivals(table, file, "file")
    check_arrivals(table.slice(0, 2), file, "file")
    with pytest.raises(UserError, match=r"arrives at 2 s, but the run has 4/s; set requests_per_s: file"):
        check_arrivals(table, file, 4)
    check_arrivals(table.slice(0, 1), file, 4)
    with pytest.raises(UserError, match=r"no request has an arrival_s, but runs\.requests_per_s is file"):
        check_arrivals(table.slice(0, 1), file, "file")


def test_a_sample_of_a_file_without_arrivals(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("".join(f"{10 + i},{5}\n" for i in range(100)))
    settings_ = {"kind": "user", "file": str(file), "requests": 30}
    tables = [make_workload(settings_, "mine", seed, 512, bare_model(tmp_path / "m")) for seed in (0, 0, 1)]
    assert [len(table) for table in tables] == [30] * 3
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    check_arrivals(tables[0], file, None)
