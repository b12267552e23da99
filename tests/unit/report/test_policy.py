"""No page asks the network for anything: each has a policy that forbids it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders.places import SCRIPTS

from kvbench.report.comparison_page import as_html
from kvbench.report.html import POLICY

TEMPLATES = SCRIPTS / "kvbench/report/templates"
META = '<meta http-equiv="Content-Security-Policy" content="{}">'
PAGES = [path for path in sorted(TEMPLATES.rglob("*.j2")) if "<html" in path.read_text()]


def test_the_policy_allows_only_what_the_page_holds() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules.pop("default-src") == "'none'"
    assert {source for sources in rules.values() for source in sources.split()} == {
        "data:",
        "blob:",
        "'unsafe-inline'",
        "'none'",
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_has_the_policy_before_anything_that_it_governs(path: Path) -> None:
    text = path.read_text()
    begin = text.index(META.format("{{ policy | safe }}"))
    assert begin < re.search("<style|<script|<img|<link|block_map_style\\(\\) }}", text).start()


def test_a_comparison_has_the_policy_too() -> None:
    page = as_html({})
    assert page.index(META.format(POLICY)) < page.index("<style")
