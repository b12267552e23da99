"""Replay scenarios in the configuration: mistakes are named before anything runs."""

from __future__ import annotations

import pytest
from builders.configured import configured
from builders.places import SCHEMA
from builders.refusals import refused
from builders.scenarios import STEP, scenario

from kvbench.config.checks import replays as config_checks
from kvbench.kv.policies import ALLOCATORS, RESERVING, ROUTERS
from kvbench.replay import POLICIES
from kvbench.replay.requests import trace_of
from kvbench.replay.routing import MOST_REPLICAS, Routing
from kvbench.replay.scenario import outcomes
from kvbench.yaml_files import read_yaml


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"polices": []}, r"replays\.x\.polices: unknown key; did you mean policies\?"),
        ({"policies": ["pagd"]}, r'replays\.x\.policies\[0\]: "pagd" .*did you mean paged\?'),
        ({"block_size": 0}, r"replays\.x\.block_size: 0 is not allowed; .*from 1 to 1024"),
        ({"pool_slots": 0}, r"replays\.x\.pool_slots: 0 is not allowed"),
        (
            {"pool_slots": 100},
            r"x\.pool_slots: under reserve-max one request can get at most 64 of the 100 slots, .* is 128",
        ),
        (
            {"pool_slots": 130, "block_size": 100},
            r"pool_slots: under hf-static one request can get at most 100 of the 130 slots",
        ),
        ({"pool_slots": 100, "policies": ["hf-batch"]}, r"pool_slots: under hf-batch .* at most 100 of the 100 slots"),
        ({"workload": None}, r"replays\.x: needs either a workload by name or a file"),
        ({"file": "x.csv"}, r"replays\.x: needs either a workload by name or a file"),
        ({"workload": None, "file": "no.csv"}, r'replays\.x\.file: no file "no\.csv"; give one that exists'),
        ({"requests": None}, r"replays\.x\.requests: missing; write how many"),
        ({"trace": "sharegpt"}, r"replays\.x\.trace: applies only to file, not to workload"),
        ({"format": "azure"}, r"replays\.x\.format: applies only to file, not to workload"),
        ({"speed": 2}, r"replays\.x\.speed: applies only to file, not to workload"),
        ({"speed": 0}, r"replays\.x\.speed: 0 is not allowed"),
        ({"requests_per_s": 2}, r"replays\.x\.requests_per_s: arrivals need step_time; add step_time"),
        ({"step_time": {"constant_s": 1}}, r"replays\.x\.step_time\.source: missing"),
        (
            {"shared_prefix_tokens": 127},
            r"replays\.x\.shared_prefix_tokens: 127 tokens leave no room in max_length 128",
        ),
        (
            {"prefix_sharing": True},
            r"replays\.x\.prefix_sharing: mixed has only lengths, .*; set shared_prefix_tokens",
        ),
        (
            {"prefix_sharing": True, "shared_prefix_tokens": 15},
            r"replays\.x\.prefix_sharing: mixed has only lengths",
        ),
        (
            {"prefix_sharing": True, "shared_prefix_tokens": 16, "policies": ["oracle"]},
            r"replays\.x\.prefix_sharing: only the policy paged can share blocks; add paged",
        ),
        (
            {"hit_rate": {}},
            r"replays\.x\.hit_rate: needs prefixes that prompts have in common; set prefix_sharing to true",
        ),
        ({"hit_rate": {"sizes": [4]}}, r"replays\.x\.hit_rate\.sizes: unknown key"),
        ({"fleet": {}}, r"replays\.x\.fleet: does not say how many replicas; write at_most to find the fewest"),
        ({"fleet": {"replicas": [0]}}, r"replays\.x\.fleet\.replicas\[0\]: 0 is not allowed; .*from 1 to 1024"),
        ({"fleet": {"at_most": 0}}, r"replays\.x\.fleet\.at_most: 0 is not allowed; .*from 1 to 1024"),
        ({"fleet": {"replicas": []}}, r"replays\.x\.fleet\.replicas"),
        (
            {"fleet": {"at_most": 2, "routers": ["round-robbin"]}},
            r'replays\.x\.fleet\.routers\[0\]: "round-robbin" .*did you mean round-robin\?',
        ),
        ({"fleet": {"at_most": 2, "router": "x"}}, r"replays\.x\.fleet\.router: unknown key; did you mean routers\?"),
        ({"fleet": {"at_most": 2}}, r"replays\.x\.fleet: latencies need the time of a step; add step_time"),
        (
            {"fleet": {"at_most": 2}, "step_time": STEP},
            r"replays\.x\.fleet: all requests arrive at once, .*; add requests_per_s",
        ),
        (
            {"fleet": {"at_most": 2, "routers": ["prefix-aware"]}, "step_time": STEP, "requests_per_s": 1},
            r"replays\.x\.fleet\.routers: prefix-aware needs prefixes .*; set prefix_sharing to true",
        ),
        (
            {"fleet": {"at_most": 1024}, "step_time": STEP, "requests_per_s": 1, "pool_slots": 10_000_000},
            r"replays\.x\.fleet: 1024 replicas of 10000000 slots are more than .*; lower at_most or replicas",
        ),
        ({"series_bins": 1}, r"replays\.x\.series_bins: 1 is not allowed"),
    ],
)
def test_what_the_configuration_gets_wrong_is_named_before_anything_runs(given: dict, line: str) -> None:
    with refused(line) as caught:
        scenario(**given)
    assert str(caught.value).startswith("config.yaml: replays.x")


def test_a_pool_of_just_one_request_is_enough() -> None:
    own = scenario(pool_slots=128, policies=list(POLICIES), allocator="best-fit")
    trace = trace_of(own, 0, "replays.x")
    assert {one.settings.policy for one in outcomes(own, trace)} == set(POLICIES)


def test_the_schema_knows_the_policies_and_allocators_of_the_replay() -> None:
    keys = read_yaml(SCHEMA)["$defs"]["replay"]["properties"]
    assert set(keys["policies"]["items"]["enum"]) == set(POLICIES) == set(keys["policies"]["default"])
    assert set(keys["allocator"]["enum"]) == set(ALLOCATORS)
    assert config_checks.RESERVING == RESERVING


def test_the_schema_knows_the_routers_and_their_defaults() -> None:
    known = read_yaml(SCHEMA)["$defs"]
    assert known["fleet"]["properties"]["routers"]["items"]["enum"] == list(ROUTERS)
    assert known["replicas"]["maximum"] == MOST_REPLICAS
    own = scenario(fleet={"at_most": 3}, step_time=STEP, requests_per_s=1)["fleet"]
    assert own["routers"] == list(ROUTERS[:2])
    assert Routing.given(own, "prefix-aware", 3) == Routing("prefix-aware", 3)


def test_no_scenario_is_a_configuration_too() -> None:
    assert configured(replays={})["replays"] == {}
