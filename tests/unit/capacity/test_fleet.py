"""The fewest replicas within the SLO are found by replaying fleets, and stand beside what division says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders.fleets import SLO, fleet_record, fleet_scenario, fleet_table
from builders.refusals import refused
from builders.scenarios import of_ids

from kvbench.analysis.serving_summary import summary
from kvbench.capacity.fleet import fewest, offered_per_s
from kvbench.files import read_json, read_table, write_csv, write_json
from kvbench.replay import Trace
from kvbench.replay import fleet_outcome as outcomes
from kvbench.replay.fleet import replay_fleet
from kvbench.replay.requests import trace_of
from kvbench.replay.routing import Routing
from kvbench.replay.scenario import settings_of


@pytest.fixture(scope="module")
def found() -> dict:
    return fleet_record(fleet_scenario())


@pytest.mark.parametrize("needed", range(1, 21))
def test_the_search_finds_the_edge_and_tries_one_fewer(needed: int) -> None:
    tried: list[int] = []

    def holds(replicas: int) -> bool:
        tried.append(replicas)
        return replicas >= needed

    answer = fewest(holds, 20)
    assert answer == needed
    assert needed in tried
    assert needed == 1 or needed - 1 in tried
    assert len(tried) <= 2 * math.ceil(math.log2(needed + 1)) + 1
    assert max(tried) < 2 * needed


def test_the_search_ends_where_nothing_holds_and_at_an_edge_of_several() -> None:
    assert fewest(lambda _: False, 20) is None
    assert fewest(lambda _: False, 1) is None
    holding = {2, 5, 6, 7, 8}  # no router guarantees that more replicas are better
    answer = fewest(holding.__contains__, 20)
    assert answer in holding
    assert answer - 1 not in holding


def test_the_fewest_hold_and_one_fewer_does_not(found: dict) -> None:
    for policy in ("paged", "reserve-max"):
        for router in ("round-robin", "least-outstanding"):
            mine = [one for one in found["fleets"] if (one["policy"], one["router"]) == (policy, router)]
            by_number = {one["replicas"]: one for one in mine}
            [answer] = [one["replicas"] for one in mine if one["fewest"]]
            assert 1 < answer < 16
            assert by_number[answer]["attainment_share"] >= SLO["share"] > by_number[answer - 1]["attainment_share"]
            assert by_number[1]["saturated"]
            assert [one["holds_slo"] for one in mine] == [one["attainment_share"] >= 0.9 for one in mine]


def test_each_replica_is_accounted_for(found: dict) -> None:
    for one in found["fleets"]:
        assert len(one["each"]) == one["replicas"]
        for name, whole in (("requests", "count"), ("prompt_tokens",) * 2, ("output_tokens",) * 2):
            assert sum(replica[name] for replica in one["each"]) == found["requests"][whole]
        if one["router"] == "round-robin":
            sent = [replica["requests"] for replica in one["each"]]
            assert max(sent) - min(sent) <= 1


def test_latencies_are_those_of_served_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces, as of ten million requests, and with requests of a single token, which have no TPOT."""
    rng = np.random.default_rng(2)
    trace = Trace.of(rng.integers(1, 60, 400), rng.integers(1, 9, 400), np.cumsum(rng.exponential(0.05, 400)))
    own = settings_of(fleet_scenario(), "paged")
    done = replay_fleet(trace, own, Routing("least-outstanding", 2))
    monkeypatch.setattr(outcomes, "AT_ONCE", 7)
    found = outcomes.outcome(trace, done, SLO)
    times = (trace.arrival_ns / 1e9, done.requests.first_token_ns / 1e9, done.requests.finish_ns / 1e9)
    wanted = summary(*times, trace.output_tokens, (SLO["ttft_s"], SLO["tpot_s"]))
    assert found["attainment_share"] == pytest.approx(wanted.pop("within_slo_share"))
    assert found["goodput_per_s"] == pytest.approx(found["attainment_share"] * wanted["completed_per_s"])
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert found["ttft_p99_s"] < found["e2e_p99_s"]


def test_division_is_that_of_a_capacity_plan(found: dict) -> None:
    divided = found["division"]["paged"]
    assert divided["requests_per_s"] == 60
    assert divided["in_service"] == pytest.approx(60 * divided["time_s"])
    assert divided["groups"] == math.ceil(divided["in_service"] / divided["requests_at_once"])
    few = fleet_scenario(requests=20, fleet={"replicas": [1]})
    assert fleet_record(few)["division"] == {"paged": None, "reserve-max": None}


def test_the_rate_of_a_file_is_that_of_its_arrivals(tmp_path: Path) -> None:
    trace = Trace.of([5] * 5, [2] * 5, [1, 2, 3, 4, 9])
    assert offered_per_s(trace) == pytest.approx(0.5)
    own = of_ids(tmp_path, [[1, 2, 3]] * 3, fleet={"replicas": [2]}, step_time=fleet_scenario()["step_time"])
    with refused("config.yaml: replays.x.fleet: all requests arrive at once, .*; set requests_per_s, or use a file"):
        fleet_record(own)
    known = replace(trace_of(own, 0, "replays.x"), arrival_ns=np.array([0, 10**9, 2 * 10**9]))
    assert fleet_record(own, known)["offered_per_s"] == pytest.approx(1)


def test_sizes_that_were_asked_for_stand_beside_the_search() -> None:
    own = fleet_scenario(policies=["paged"], fleet={"at_most": 2, "replicas": [5], "routers": ["round-robin"]})
    rows = fleet_table(fleet_record(own))
    assert list(rows["replicas"]) == [1, 2, 5]
    assert not rows["fewest"].any()  # two do not hold
    rows = fleet_table(fleet_record(fleet_scenario(policies=["paged"], fleet={"replicas": [5]})))
    assert rows["fewest"].isna().all()


def test_the_table_has_a_row_for_each_fleet(found: dict, tmp_path: Path) -> None:
    write_json(tmp_path / "fleet.json", found)
    write_csv(tmp_path / "fleets.csv", fleet_table(read_json(tmp_path / "fleet.json")))
    rows = read_table(tmp_path / "fleets.csv")
    assert len(rows) == len(found["fleets"])
    assert (rows["cards"] == rows["replicas"]).all()
    saturated = rows["saturated"].eq(True)
    assert rows.loc[saturated, ["ttft_p99_s", "tpot_median_s", "e2e_p90_s"]].isna().all(axis=None)
    assert rows.loc[~saturated, "ttft_median_s"].notna().all()
    assert (rows["replica_least_requests"] <= 600 / rows["replicas"]).all()
    assert (rows["replica_most_requests"] >= 600 / rows["replicas"]).all()
    assert rows["prefix_hit_tokens"].isna().all()
    for policy, own in rows.groupby("policy"):
        assert set(own["division_replicas"]) == {found["division"][policy]["groups"]}


def test_cards_are_those_of_all_replicas() -> None:
    fleet = {"replicas": [3], "cards_per_model": 4, "routers": ["round-robin"]}
    rows = fleet_table(fleet_record(fleet_scenario(policies=["paged"], fleet=fleet)))
    assert rows["cards"].tolist() == [12]
    assert (rows["division_cards"] == 4 * rows["division_replicas"]).all()


def test_hits_depend_on_the_router(tmp_path: Path) -> None:
    """Of conversations in turn, only a router that knows prompts sends each one to where its beginning lies."""
    prompts = [[n % 5] * 40 + [100 + n] for n in range(120)]
    fleet = {"replicas": [3], "routers": ["round-robin", "prefix-aware"]}
    own = of_ids(tmp_path, prompts, pool_slots=256, max_length=64, fleet=fleet, step_time=fleet_scenario()["step_time"])
    trace = replace(trace_of(own, 0, "replays.x"), arrival_ns=np.arange(120) * 10**9)
    rows = fleet_table(fleet_record(own, trace)).set_index("router")
    assert rows.loc["prefix-aware", "prefix_hit_tokens"] == 115 * 40
    assert rows.loc["round-robin", "prefix_hit_tokens"] < 115 * 40
    assert not pd.isna(rows.loc["round-robin", "prefix_hit_tokens"])
