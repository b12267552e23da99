"""A block of lines that is parsed at once gives what its lines give one by one, faults included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.trace_files import AZURE_HEADER, BURST_HEADER, columns, mooncake
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kvbench.errors import UserError
from kvbench.workload.formats import columns as module
from kvbench.workload.length_columns import LengthColumns

FILES = {
    "r.csv": ("prompt_tokens,output_tokens,arrival_s\n", "{p},{o},{n}\n"),
    "a.csv": (f"{AZURE_HEADER}\n", "2023-11-16 18:15:{n:02d}.{n}5,{p},{o}\n"),
    "b.csv": (f"{BURST_HEADER}\n", "{n},m,{p},{o},0,log\n"),
    "m.jsonl": ("", '{{"timestamp": {n}, "input_length": {p}, "output_length": {o}, "hash_ids": [{h}]}}\n'),
}
NAMES = {"r.csv": "csv", "a.csv": "azure", "b.csv": "burstgpt", "m.jsonl": "mooncake"}
# What a file may have for a length, most of it wrong.
LENGTHS = st.one_of(
    st.integers(1, 2000),
    st.sampled_from(
        [0, -1, "", "null", "nan", "inf", "1e3", "12.0", "2.5", "x", '"7"', " 7", 1 << 31, "1_0", "5,5", "é"]
    ),
)
ROWS = st.lists(st.tuples(LENGTHS, LENGTHS, st.integers(0, 1)), min_size=1, max_size=8)


def lines(name: str, rows: list[tuple]) -> str:
    """Return a file in which request n has the prompt, output and lateness of a row; most lines are in order."""
    text, line = FILES[name]
    for n, (p, o, late) in enumerate(rows):
        hashes = ",".join(map(str, range(-(-p // 512) if isinstance(p, int) and 0 < p < 5000 else 1)))
        text += line.format(p=p, o=o, n=n + late * 3, h=hashes)
    return text


def outcome(folder: Path, name: str, content: str, skip: str) -> tuple:
    """Return what reading gives: all arrays, or the error."""
    try:
        found = columns(folder, name, content, limit=2500, format=NAMES[name], too_long=skip, bad_turns=skip)
    except UserError as error:
        return (str(error),)
    return arrays(found)


def arrays(found: LengthColumns) -> tuple:
    """Return all values of columns."""
    blocks = (found.blocks.ids.tolist(), found.blocks.offsets.tolist()) if found.blocks else None
    parts = (found.prompt_tokens.tolist(), found.output_tokens.tolist(), found.arrival_s.tolist())
    return (*parts, found.last_place, blocks)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.sampled_from(sorted(FILES)), ROWS, st.sampled_from(["refuse", "skip"]))
@example("a.csv", [(1, 1, 0), (1, "nan", 0)], "skip")
@example("a.csv", [(1, 1, 0), (1, 1, 1)], "skip")
def test_at_once_is_line_by_line(tmp_path: Path, name: str, rows: list[tuple], skip: str) -> None:
    content = lines(name, rows)
    at_once = outcome(tmp_path, name, content, skip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_quickly", lambda *_: None)
        assert outcome(tmp_path, name, content, skip) == at_once


@pytest.mark.parametrize("name", FILES)
def test_only_the_first_line_of_a_good_file_is_read_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    exact, read = module._exactly, []

    def counted(file, reader, numbered, *rest):
        numbered = list(numbered)
        read.extend(number for number, text in numbered if text)
        return exact(file, reader, numbered, *rest)

    monkeypatch.setattr(module, "_exactly", counted)
    content = lines(name, [(5 + n, 7, 0) for n in range(50)])
    found = columns(tmp_path, name, content)
    assert found.prompt_tokens.tolist() == [5 + n for n in range(50)]
    found = columns(tmp_path, name, lines(name, [(5, n % 2, 0) for n in range(50)]), bad_turns="skip")
    assert len(found) == 25
    assert read == ([] if name == "m.jsonl" else [1, 1])


def test_a_thousand_skipped_requests_are_listed_and_the_others_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = "prompt_tokens,output_tokens\n" + "7,0\n" * 1500 + "9,9\n" + "99,9\n" * 3
    found = columns(tmp_path, "r.csv", content, limit=50, too_long="skip", bad_turns="skip")
    assert found.prompt_tokens.tolist() == [9]
    bad = [record.message for record in caplog.records if "no token" in record.message]
    assert len(bad) == 1001
    assert bad[0] == f"{tmp_path / 'r.csv'}: line 2: no token of prompt or output, left out"
    assert bad[-1].endswith("further requests with no token of prompt or output are counted, but not listed")
    assert f"{tmp_path / 'r.csv'}: line 1503: more than max_length 50, left out" in caplog.messages


def test_hashes_stay_with_their_requests_where_some_are_skipped(tmp_path: Path) -> None:
    content = mooncake(
        (0, 600, 1, [1]), (1, 600, 0, [2]), (2, 1100, 1, [1, 3, 4]), (3, 9999, 1, [*range(20)]), (4, 600, 1, [2])
    )
    found = columns(tmp_path, "m.jsonl", content, limit=5000, too_long="skip", bad_turns="skip")
    np.testing.assert_array_equal(found.prompt_tokens, [600, 1100, 600])
    assert found.blocks.offsets.tolist() == [0, 1, 3, 4]
    assert found.blocks.ids.tolist() == [0, 0, 2, 1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"\n", b"\r", b"5,6", b'"', b"{", b"}", b"\x1f\x8b"]))),
    st.sampled_from(["refuse", "skip"]),
)
def test_any_bytes_end_in_requests_or_one_line(tmp_path: Path, name: str, parts: list[bytes], skip: str) -> None:
    good = lines(name, [(5, 6, 0)]).encode()
    reason = ""
    try:
        found = columns(tmp_path, name, good + b"".join(parts), format=NAMES[name], too_long=skip, bad_turns=skip)
        assert len(found) > 0
    except UserError as error:
        reason = str(error)
    assert "\n" not in reason


def test_lines_that_end_as_old_machines_end_them(tmp_path: Path) -> None:
    found = columns(tmp_path, "r.csv", "prompt_tokens,output_tokens\r5,6\r7,8\r")
    assert found.prompt_tokens.tolist() == [5, 7]
    assert found.last_place.endswith("line 3")
