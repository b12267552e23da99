"""Claims on the page: grouped by verdict, with what was measured; what one reason keeps from a verdict is one line."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd
from builders.page_text import cells, folded, part, text
from builders.report_inputs import report_inputs

from kvbench.report.cells import number
from kvbench.report.page import render
from kvbench.report.verdicts import count, groups

Rendered = tuple[dict[str, pd.DataFrame], str]
VERDICTS = ["supported", "not supported", "not measurable here"]


def test_claims_that_one_reason_keeps_from_a_verdict_are_one_line(tmp_path: Path) -> None:
    _, given = report_inputs(tmp_path, repeats=1)
    told = part(render(*given), "claims")
    claimed = given[2]["claims"]
    counts = claimed["reason"].value_counts()
    assert counts["n = 1; a verdict needs 6 repeats"] > 10
    assert "<table>" not in told
    assert 'class="claim ' not in told
    lines = {f"{n} claims not measurable here: {reason}" for reason, n in counts.items() if n > 1}
    alone = f"{(counts == 1).sum()} claims not measurable here: each for a reason of its own"
    assert set(folded(told)) == lines | {alone}
    assert {name.rpartition("; ")[2] for name in folded(told)[alone]} == set(counts.index[counts == 1])
    names = [name.partition(":")[0] for names in folded(told).values() for name in names]
    assert sorted(names) == sorted(claimed["id"])
    assert f"without an interval: {number(claimed['value'].dropna().iloc[0])}" in told


def test_a_claim_with_an_interval_on_both_sides_of_its_threshold_is_not_folded(shown: Rendered) -> None:
    frames, page = shown
    both = frames["claims"].query("verdict == 'not measurable here' and value_ci95_low.notna()")
    assert len(both)
    assert set(both["reason"]) <= cells(part(page, "claims"))


def test_the_counts_of_each_verdict_are_first(shown: Rendered) -> None:
    frames, page = shown
    counts = {verdict: int((frames["claims"]["verdict"] == verdict).sum()) for verdict in VERDICTS}
    assert sum(counts.values()) == len(frames["claims"])
    told = text(part(page, "claims").partition('<p class="counts">')[2].partition("</p>")[0])
    assert told == " ".join(f"{number_of} {verdict}" for verdict, number_of in counts.items())
    assert count(frames["claims"]) == counts


def test_every_claim_is_in_the_group_of_its_verdict(shown: Rendered) -> None:
    claimed = shown[0]["claims"]
    found = groups(claimed)
    assert [group.verdict for group in found] == [one for one in VERDICTS if (claimed["verdict"] == one).any()]
    for group in found:
        own = claimed[claimed["verdict"] == group.verdict]
        folded_names = [name for fold in group.folds for name in fold.names]
        assert group.count == len(own) == len(group.claims) + len(folded_names)
        shown_rows = own[own["value_ci95_low"].notna()]
        assert [claim.reading for claim in group.claims] == list(shown_rows["reading"])
        for claim, row in zip(group.claims, shown_rows.itertuples(), strict=True):
            assert claim.statement == f"{row.quotation} ({row.source}, {row.wording})"
            interval = f"[{number(row.value_ci95_low)}, {number(row.value_ci95_high)}]"
            assert claim.facts["measured"] == f"{number(row.value)} {interval}"
            assert claim.facts["supported if"].endswith(f" {number(row.threshold)}")
            assert claim.facts["why"] == row.reason
            assert claim.facts.get("published, other systems") == (row.published if pd.notna(row.published) else None)


def test_a_claim_of_each_verdict_stands_below_its_badge(shown: Rendered) -> None:
    frames, page = shown
    told = part(page, "claims")
    for verdict, badge in zip(VERDICTS[:2], ("yes", "no"), strict=True):
        own = frames["claims"].query("verdict == @verdict")
        below = told.partition(f'<h4><span class="badge {badge}">{verdict}</span>')[2].partition("<h4>")[0]
        assert below.count('<li class="claim ') == below.count(f'<li class="claim {badge}">') == len(own)
        assert html.escape(str(own.iloc[0]["quotation"])) in html.unescape(below).replace("&", "&amp;")
