"""The capacity page shows the arithmetic and the tables' numbers."""

import re

from builders.pictures import write_picture
from builders.plans import KNOWN, make_plan

from kvbench.capacity.plan import answer
from kvbench.report.capacity import memory_table, render, step_text


def test_the_page_shows_the_arithmetic_and_the_tables_numbers(tmp_path):
    step = {"constant_s": 0.1, "per_token_s": 0.0, "source": "a <test>"}
    found = answer("busy", make_plan(requests_per_s=30, step_time=step), KNOWN, 0)
    picture = write_picture(tmp_path / "largest_batch.svg")
    page = render([found, answer("calm", make_plan(), KNOWN, 0)], [picture])
    cells = set(re.findall(r"<td[^>]*>(.*?)</td>", page))
    assert {"2 × 32 layers × 32 KV heads × 128 × 2 bytes", "524,288 bytes", "59,537,612,800 // 524,288"} <= cells
    assert f"113,558 / {128:,} = 887" in cells
    assert "a &lt;test&gt;" in page
    for need in found.demands:
        assert f"30 × {need.time_s:#.3g} = {need.in_service:#.3g}" in cells
    assert page.count("The duration of a step is unknown") == 1
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert memory_table(found.room, 16).shape == (6, 3)


def test_the_step_time_is_told_with_the_terms_that_it_has():
    own = {"constant_s": 0.1, "per_token_s": 0.0, "source": "a test"}
    assert step_text(own) == "0.1 s (a test)"
    assert step_text({**own, "per_token_s": 2e-5, "per_sequence_s": 0.001}) == (
        "0.1 s + 0.001 s × sequences + 2e-05 s × tokens computed (a test)"
    )
