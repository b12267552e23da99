"""Targets: the worst row decides, and a target without rows is not measured."""

from pathlib import Path

import pandas as pd
import pytest
from builders.places import TARGETS

from kvbench.benchmarks.targets import lines, read_targets, table
from kvbench.errors import UserError

WASTE = pd.DataFrame(
    {
        "model": "m",
        "workload": ["long", "long", "short", "long"],
        "engine": ["vllm", "vllm", "vllm", "hf-batch"],
        "point": ["base", "other", "base", "base"],
        "share": [0.97, 0.96, 0.5, 0.1],
        "signed": [0.01, -0.07, 0.0, 0.5],
        "gate": ["passed", "failed", "passed", None],
    }
)
KINDS = {"long": "sharegpt", "short": "mixed"}


def _row(**changes):
    target = {"id": "t", "says": "s", "table": "kv_waste", "column": "share", "is": "at_least", "threshold": 0.95}
    return table([target | changes], {"kv_waste": WASTE}, KINDS).iloc[0]


def test_the_worst_row_counts_and_is_named() -> None:
    row = _row(where={"engine": "vllm"}, kinds=["sharegpt"])
    assert (row["verdict"], row["measured"], row["rows"]) == ("reached", 0.96, 2)
    assert row["of"] == "m, long, vllm, other"


def test_rows_of_other_kinds_and_engines_would_miss_it() -> None:
    assert _row(where={"engine": "vllm"})["verdict"] == "missed"
    assert _row(kinds=["sharegpt"])["measured"] == 0.1


def test_at_most_takes_the_largest_and_magnitude_drops_the_sign() -> None:
    of = {"column": "signed", "is": "at_most", "threshold": 0.05, "where": {"engine": "vllm"}}
    assert _row(**of)["measured"] == 0.01
    assert _row(**of, magnitude=True)["measured"] == 0.07
    assert _row(**of, magnitude=True)["verdict"] == "missed"


def test_a_word_that_is_not_equal_misses() -> None:
    of = {"column": "gate", "is": "equals", "threshold": "passed"}
    row = _row(**of)
    assert (row["verdict"], row["measured"], row["rows"]) == ("missed", "failed", 3)
    assert _row(**of, where={"point": "base"})["verdict"] == "reached"


def test_without_rows_it_is_not_measured() -> None:
    row = _row(where={"engine": "hf-static"})
    assert (row["verdict"], row["rows"]) == ("not measured", 0)
    assert pd.isna(row["measured"])


def test_the_threshold_itself_reaches_it() -> None:
    assert _row(where={"point": "other"}, threshold=0.96)["verdict"] == "reached"
    assert _row(where={"point": "other"}, threshold=0.9601)["verdict"] == "missed"


def test_lines_say_value_place_and_verdict() -> None:
    one = {"id": "t", "says": "s", "table": "kv_waste", "column": "share", "is": "at_least", "threshold": 0.95}
    rest = [{**one, "id": name, "where": {"engine": "hf-static"}} for name in ("u", "v")]
    told = "target t ≥ 0.95: 0.1 (m, long, hf-batch, base), missed"
    assert lines(table([one], {"kv_waste": WASTE}, KINDS)) == [told]
    found = table([rest[0], one, rest[1]], {"kv_waste": WASTE}, KINDS)
    assert lines(found) == [told, "targets not measured: u, v"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"table": "latency"}, "latency"), ({"column": "shares"}, "shares"), ({"where": {"engines": "vllm"}}, "engines")],
)
def test_unknown_tables_and_columns_are_refused_by_name(changes, word) -> None:
    with pytest.raises(UserError, match=f"t: .*{word}"):
        _row(**changes)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("targets: [{id: a, says: s, table: t, column: c, is: at_least}]", "a: threshold is missing"),
        ("targets: [{id: a, says: s, table: t, column: c, is: more, threshold: 1}]", "a: is: more"),
        ("targets: [{id: a, says: s, table: t, column: c, is: equals, threshold: 1, of: x}]", "a: of: unknown key"),
        ("claims: []", "targets is missing; add it"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "targets.yaml").write_text(text)
    with pytest.raises(UserError, match=word):
        read_targets(tmp_path / "targets.yaml")


def test_the_shipped_targets_are_well_formed() -> None:
    ids = [target["id"] for target in read_targets(TARGETS)]
    assert len(set(ids)) == len(ids) > 0
