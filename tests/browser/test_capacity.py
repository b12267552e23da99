"""The capacity page computes what Python computes: every integer equal, every ratio to twelve digits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.capacity_grid import lengths_of, plans, python_answer, tight
from builders.capacity_pages import write_page

Opened = Callable[..., Any]
ANSWERS = """(plans) => JSON.stringify(
  plans.map(([plan, lengths]) => kvbenchCapacity.answer(plan, lengths || undefined)),
  (name, value) => (typeof value === "bigint" ? String(value) : value))"""
RATIOS = {
    "requests_at_once": "requestsAtOnce",
    "pool_held_share": "poolHeldShare",
    "live_share": "liveShare",
    "steps_per_request": "stepsPerRequest",
    "preemptions_per_request": "preemptionsPerRequest",
    "step_s": "step",
}
NOT_IN_PLANS = {"prefix_hit_tokens", "end_ns"}


@pytest.fixture
def page(tmp_path: Path, open_page: Opened) -> Any:
    return open_page(write_page(tmp_path))


def answers(page: Any, asked: list[tuple[dict[str, Any], dict[str, Any] | None]]) -> list[dict[str, Any]]:
    return json.loads(page.evaluate(ANSWERS, asked))


def same(found: float | None, wanted: float | None) -> bool:
    return found == wanted if found is None or wanted is None else found == pytest.approx(wanted, rel=1e-12)


def compare(plan: Mapping[str, Any], found: dict[str, Any], wanted: dict[str, Any]) -> None:
    room, engine = found["room"], found["engine"]
    memory = [int(room[name]) for name in ("weightsBytes", "kvBytes", "slotBytes", "slots")]
    assert memory == wanted["memory"][:4]
    assert [int(engine["blocks"]), engine["tokens"]] == wanted["engine"][:2]
    assert int(engine["blocks"]) == wanted["memory"][4]
    assert same(engine["concurrency"], wanted["engine"][2])
    for one in found["policies"]:
        fit, policy = wanted["fits"][one["policy"]], one["policy"]
        assert same(one["mean"], fit["mean_slots"]), policy
        assert same(one["held"], fit["held_slots"]), policy
        assert same(one["byMean"], fit["mean_slots"] and wanted["memory"][3] / fit["mean_slots"])
        assert (one["replay"] is not None) == (fit["requests_at_once"] is not None)
        if one["replay"]:
            compare_replay(policy, found, wanted)


def compare_replay(policy: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    totals, own, fit = wanted["totals"][policy], found["found"][policy], found["fits"][policy]
    assert {name: int(value) for name, value in own["totals"].items()} == {
        name: value for name, value in totals.items() if name not in NOT_IN_PLANS
    }, policy
    expected = wanted["fits"][policy]
    assert fit["limitedBy"] == expected["limited_by"]
    for name, mine in RATIOS.items():
        assert same(fit[mine], expected[name]), (policy, name)
    times = found["plan"].get("step_time", {})
    cost = [round(times.get(f"{name}_s", 0) * 1e9) for name in ("constant", "per_sequence", "per_token", "prefill")]
    work = (totals["steps"], *(int(own["work"][name]) for name in ("sequences", "computed", "prefills")))
    assert sum(each * count for each, count in zip(cost, work, strict=True)) == totals["end_ns"]
    demand = wanted["demands"][policy]
    assert (fit["demand"] is None) == (demand is None)
    if demand:
        assert [fit["demand"]["groups"], fit["demand"]["cards"]] == [demand["groups"], demand["cards"]]
        for mine, name in (("time", "time_s"), ("inService", "in_service"), ("mostPerS", "most_per_s")):
            assert same(fit["demand"][mine], demand[name])


def test_every_plan_of_the_grid_has_pythons_numbers(page: Any) -> None:
    asked = list(plans())
    assert len(asked) >= 60
    for plan, found in zip(asked, answers(page, [(plan, None) for plan in asked]), strict=True):
        compare(plan, found, python_answer(plan, *lengths_of(plan)))


def test_lengths_of_the_users_are_replayed_alike(page: Any) -> None:
    rng = np.random.default_rng(3)
    prompt, output = rng.integers(1, 700, 900), 1 + rng.geometric(0.02, 900)
    output[::50] = 1
    lengths = {"prompt": prompt.tolist(), "output": output.tolist(), "of": "a trace"}
    asked = [tight({"model": model}, 7000, max_length=1600, max_running=100) for model in ("llama-2-7b", "gemma-3-27b")]
    for plan, found in zip(asked, answers(page, [(plan, lengths) for plan in asked]), strict=True):
        compare(plan, found, python_answer(plan, prompt, output))


@pytest.mark.parametrize("seed", [0, 12345])
def test_lengths_are_drawn_as_python_draws_them(tmp_path: Path, open_page: Opened, seed: int) -> None:
    page = open_page(write_page(tmp_path, seed=seed))
    for workload, count in (("sharegpt", 3000), ("alpaca", 500), ("mixed", 1), ("mixed", 999), ("mixed", 16384)):
        found = page.evaluate(
            "([workload, count]) => { const { prompt, output } = kvbenchCapacity.drawn(workload, count);"
            " return [[...prompt], [...output]]; }",
            [workload, count],
        )
        wanted = lengths_of({"workload": workload, "requests": count}, seed)
        assert found == [list(map(int, values)) for values in wanted]
