"""The capacity page shows the arithmetic and the tables' numbers."""

import json
import re
from pathlib import Path

import pytest
from builders.capacity_pages import page_data
from builders.pictures import write_picture
from builders.plans import KNOWN, make_plan

from kvbench.capacity.fit import POLICIES
from kvbench.capacity.plan import answer
from kvbench.report import html
from kvbench.report.capacity import demands_table, fits_table, memory_table, render, step_text
from kvbench.report.cells import number

TEMPLATES = Path(html.__file__).with_name("templates")


def test_the_page_shows_the_arithmetic_and_the_tables_numbers(tmp_path):
    step = {"constant_s": 0.1, "per_token_s": 0.0, "source": "a <test>"}
    found = answer("busy", make_plan(requests_per_s=30, step_time=step), KNOWN, 0)
    picture = write_picture(tmp_path / "largest_batch.svg")
    page = render([found, answer("calm", make_plan(), KNOWN, 0)], [picture], page_data())
    cells = set(re.findall(r"<td[^>]*>(.*?)</td>", page))
    assert {"2 × 32 layers × 32 KV heads × 128 × 2 bytes", "524,288 bytes", "59,537,612,800 // 524,288"} <= cells
    assert f"113,558 / {128:,} = 887" in cells
    assert "a &lt;test&gt;" in page
    for need in found.demands:
        assert f"30 × {need.time_s:#.3g} = {need.in_service:#.3g}" in cells
    assert page.count("The duration of a step is unknown") == 1
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert memory_table(found.room, 16).shape == (6, 3)


def test_of_different_layers_only_blocks_are_told_as_replayed(tmp_path):
    plan = make_plan(model="gemma-3-27b", requests_per_s=3, step_time={"constant_s": 0.1, "source": "a test"})
    found = answer("x", plan, KNOWN, 0)
    shown = fits_table(found).set_index("policy")
    assert list(shown["requests at once, replay"]) == ["not replayed"] * 4 + [number(found.fits[4].requests_at_once)]
    assert list(demands_table(found)["policy"]) == ["paged"]
    page = render([found], [write_picture(tmp_path / "largest_batch.svg")], page_data())
    assert "paged: blocks of 16 tokens of vLLM's tables, which are replayed" in " ".join(page.split())


def test_the_page_has_what_it_computes_with_and_may_load_nothing(tmp_path):
    page = render([], [write_picture(tmp_path / "largest_batch.svg")], page_data())
    [data] = re.findall(r'<script type="application/json" id="capacity-data">(.*?)</script>', page, flags=re.S)
    found = json.loads(data)
    sizes = {"kind": "sliding", "layers": 52, "kv_heads": 16, "head_dim": 128, "window": 1024}
    assert found["shapes"]["gemma-3-27b"]["groups"][0] == {**sizes, "elements": 4096}
    assert found["shapes"]["llama-2-7b"]["groups"][0]["kv_heads"] == 32
    assert found["cards"]["NVIDIA H100 80 GB"] == 81559
    assert list(found["policies"]) == list(POLICIES)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].split("; ")
    assert policy[0] == "default-src 'none'"
    assert "worker-src blob:" in policy
    assert not re.search(r"https?://[^<\s\"]*\.(js|css)", page)


@pytest.mark.parametrize("file", sorted((TEMPLATES / "capacity").glob("*.js")), ids=lambda file: file.name)
def test_each_script_is_in_the_page_and_reaches_for_nothing_else(file):
    page = (TEMPLATES / "capacity.html.j2").read_text(encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    assert f'"{file.stem}"' in page
    assert not re.search(
        r"\b(fetch|XMLHttpRequest|WebSocket|import|eval|innerHTML|outerHTML|insertAdjacentHTML)\b", text
    )
    assert len(text.splitlines()) <= 250
    assert text.startswith("// ")


def test_the_step_time_is_told_with_the_terms_that_it_has():
    own = {"constant_s": 0.1, "per_token_s": 0.0, "source": "a test"}
    assert step_text(own) == "0.1 s (a test)"
    assert step_text({**own, "per_token_s": 2e-5, "per_sequence_s": 0.001}) == (
        "0.1 s + 0.001 s × sequences + 2e-05 s × tokens computed (a test)"
    )
    assert step_text({**own, "prefill_s": 0.02}) == "0.1 s + 0.02 s × steps with a prompt (a test)"
