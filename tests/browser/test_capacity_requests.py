"""The capacity page with the user's own requests: from a file, dropped or pasted, and what is wrong with them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.capacity_pages import write_page
from builders.plans import make_plan
from builders.shown_plans import at_once, ready
from playwright.sync_api import expect

DROP = """(text) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], "dropped.csv"));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true });
  document.querySelector(".results").dispatchEvent(drop);
}"""

PASTE = "(box, text) => { box.value = text; box.dispatchEvent(new Event('input', { bubbles: true })); }"


@pytest.fixture
def page(tmp_path: Path, open_page: Callable[..., Any]) -> Any:
    """The page, where the requests are the user's own."""
    page = ready(open_page(write_page(tmp_path, {"plain": make_plan()})))
    page.locator("#in-workload").select_option("file")
    return page


def test_a_users_requests_are_read_here(page: Any, tmp_path: Path) -> None:
    assert "Give your requests" in page.locator("[data-part=status]").inner_text()
    lines = ["TIMESTAMP,ContextTokens,GeneratedTokens", *["2023-11-16 18:15:46.68,30,7"] * 400]
    (tmp_path / "azure.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    page.locator("#in-file").set_input_files(tmp_path / "azure.csv.gz")
    expect(page.locator("[data-part=requests]")).to_contain_text("azure.csv.gz")
    assert (
        "400 requests of azure.csv.gz, all waiting from the start: 30 prompt and 7 output"
        in page.locator("[data-part=requests]").inner_text()
    )
    assert at_once(ready(page))["paged"] == "40"
    page.locator("#in-pasted").evaluate(PASTE, "\n".join(["25,5"] * 399 + ["3,3"]))
    assert "400 requests of pasted lines" in page.locator("[data-part=requests]").inner_text()


FAULTS = (
    (
        "a.csv",
        b"prompt_tokens,output_tokens\n3,4\n\n5,-2\n",
        "a.csv: line 4: output tokens -2; write a whole number of 1 or more",
    ),
    ("b.csv", b"3,4\n5\n", "b.csv: line 2: one column; write prompt_tokens,output_tokens"),
    ("c.csv", b"a,b\n1,2\n", "c.csv: line 1: a,b is no header that is known; it needs prompt_tokens,output_tokens or "),
    ("d.csv", b"\n\n", "d.csv: no requests; write one a line, as prompt_tokens,output_tokens"),
    ("e.csv", b"1.5,2\n", "e.csv: line 1: prompt tokens 1.5; write a whole number of 1 or more"),
    ("f.csv.gz", gzip.compress(b"3,4\n" * 500)[:20], "f.csv.gz: the compressed file is broken or incomplete"),
    ("g.csv", b"3,4000\n" * 9, "128 is less than the longest request of g.csv (4,003 tokens); raise it"),
)


def test_a_fault_in_a_file_is_told_with_its_line(page: Any, tmp_path: Path) -> None:
    for name, content, line in FAULTS:
        (tmp_path / name).write_bytes(content)
        page.locator("#in-file").set_input_files(tmp_path / name)
        expect(page.locator("[data-error]:not([hidden])")).to_contain_text(line)


def test_a_file_that_is_dropped_anywhere_is_read(page: Any) -> None:
    page.locator("#in-workload").select_option("mixed")
    page.evaluate(DROP, "Timestamp,Request tokens,Response tokens\n" + "1,20,9\n" * 300)
    expect(page.locator("[data-part=requests]")).to_contain_text("300 requests of dropped.csv")
    assert page.locator("#in-workload").input_value() == "file"
