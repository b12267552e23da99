"""The capacity page of some plans, and the answers of its functions beside Python's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builders.pictures import write_picture
from builders.places import CARDS, SHAPES
from builders.plans import KNOWN, make_plan
from kvbench.capacity.cards import read_cards
from kvbench.capacity.plan import answer
from kvbench.report.calculator import document
from kvbench.report.capacity import render
from kvbench.yaml_files import read_yaml

STEP = {"constant_s": 0.02, "per_sequence_s": 1e-4, "per_token_s": 2e-5, "prefill_s": 3e-3, "source": "a test"}
PLANS = {
    "plain": make_plan(requests_per_s=40, step_time=STEP),
    "windows": make_plan(model="gemma-3-27b", kv_dtype="fp8"),
}


def page_data(plans: Mapping[str, Any] = PLANS, seed: int = 0) -> dict[str, Any]:
    """What the page computes with."""
    return document(plans, KNOWN, read_yaml(SHAPES)["shapes"], read_cards(CARDS), seed)


def write_page(folder: Path, plans: Mapping[str, Any] = PLANS, seed: int = 0) -> str:
    """Write the page of these plans; its address."""
    answers = [answer(name, plan, KNOWN, seed) for name, plan in plans.items()]
    pictures: Sequence[Path] = [write_picture(folder / "largest_batch.svg")]
    page = folder / "capacity.html"
    page.write_text(render(answers, pictures, page_data(plans, seed)), encoding="utf-8")
    return page.as_uri()
