"""Reading a JSON list in pieces gives the same entries as reading it whole."""

import json

import pytest
from builders.user_files import conversation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.errors import UserError
from kvbench.workload.formats import file_text
from kvbench.workload.formats.json_items import items


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
