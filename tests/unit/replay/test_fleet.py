"""Replicas behind a router against a slow reference, and against separate replays of what each of them is sent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from builders.branching_requests import REQUEST, prompts_of
from builders.fleet_reference import fleet_reference
from builders.refusals import refused
from builders.workloads import workload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kvbench.kv.policies import ROUTERS
from kvbench.replay import POLICIES, Settings, StepTime, Trace, replay
from kvbench.replay.fleet import ARRIVALS, replay_fleet
from kvbench.replay.routing import MOST_REPLICAS, Routing
from kvbench.replay.step_time import NO_TIME

EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
REQUESTS = st.lists(REQUEST, min_size=1, max_size=18)
STEP = StepTime(7, 1, 3, 2)


def work_of(rows):
    """Token ids, output tokens, arrivals in ns."""
    return prompts_of(rows), [row[1] for row in rows], np.cumsum([row[2] for row in rows])


def trace_of(prompts, output, arrival_ns):
    return Trace.from_table(workload(prompts, output, arrivals=np.asarray(arrival_ns) / 1e9), prefix_sharing=True)


def own_settings(policy: str, block_size: int, running: int, *, sharing: bool = False) -> Settings:
    return Settings(
        policy,
        pool_slots=192,
        max_length=64,
        block_size=block_size,
        max_running=running,
        max_step_tokens=30,
        prefix_sharing=sharing,
        step_time=STEP,
    )


def assert_separate(found, given, own):
    """Each replica's sums, series and times are those of a replay of what it was sent."""
    prompts, output, arrival_ns = given
    for replica, totals in enumerate(found.totals):
        mine = np.flatnonzero(found.replica == replica)
        if not mine.size:
            assert (totals.steps, totals.running, totals.end_ns) == (0, 0, 0)
            continue
        alone = replay(trace_of([prompts[one] for one in mine], np.array(output)[mine], arrival_ns[mine]), own)
        assert totals == alone.totals
        np.testing.assert_array_equal(found.series[replica].t_ns, alone.series.t_ns)
        for name, values in alone.series.sums.items():
            np.testing.assert_array_equal(found.series[replica].sums[name], values, err_msg=name)
        for name in ("start_ns", "first_token_ns", "finish_ns", "preemptions"):
            np.testing.assert_array_equal(getattr(found.requests, name)[mine], getattr(alone.requests, name))


@EXAMPLES
@given(REQUESTS, st.integers(1, 4), st.integers(1, 9), st.integers(1, 6), st.sampled_from([0.0, 0.3, 1.0]),
       st.sampled_from([(0, 1.0), (2, 1.5), (64, 1.5)]), st.booleans())  # fmt: skip
@pytest.mark.parametrize("router", ROUTERS)
def test_paged(router, rows, replicas, block_size, running, match, apart, ahead):
    given, own = work_of(rows), own_settings("paged", block_size, running, sharing=True)
    own = dataclasses.replace(own, async_scheduling=ahead)
    routing = Routing(router, replicas, match, *apart)
    found = replay_fleet(trace_of(*given), own, routing)
    replica, times = fleet_reference(*given, own, routing)
    np.testing.assert_array_equal(found.replica, replica)
    for name, values in times.items():
        np.testing.assert_array_equal(getattr(found.requests, name), values, err_msg=name)
    assert_separate(found, given, own)


@settings(EXAMPLES, max_examples=25)
@given(REQUESTS, st.integers(1, 4), st.integers(1, 6))
@pytest.mark.parametrize("router", ROUTERS[:2])
@pytest.mark.parametrize("policy", ["paged", "oracle", "hf-batch"])
def test_other_engines(policy, router, rows, replicas, running):
    given, own = work_of(rows), own_settings(policy, 4, running)
    routing = Routing(router, replicas)
    found = replay_fleet(trace_of(*given), own, routing)
    np.testing.assert_array_equal(found.replica, fleet_reference(*given, own, routing)[0])
    assert_separate(found, given, own)


def crowd(requests: int, gap: int):
    """Requests with long outputs, so that many steps lie between two events."""
    rng = np.random.default_rng(6)
    prompts = [[100 * (n % 5)] * 9 + [10_000 + n] * rng.integers(1, 30) for n in range(requests)]
    return prompts, rng.integers(1, 300, requests), np.cumsum(rng.integers(0, gap, requests))


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("policy", POLICIES)
def test_one_replica_is_the_engine_alone(policy, router):
    given = crowd(120, 4000)
    own = dataclasses.replace(own_settings(policy, 8, 9), pool_slots=1500, max_length=400)
    assert_separate(replay_fleet(trace_of(*given), own, Routing(router, 1)), given, own)


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_request_is_served_once(policy, router):
    given = crowd(200, 900)
    trace = trace_of(*given)
    own = dataclasses.replace(own_settings(policy, 8, 9), pool_slots=1500, max_length=400)
    found = replay_fleet(trace, own, Routing(router, 3, apart_requests=4))
    assert set(found.replica) == {0, 1, 2}
    assert (found.requests.start_ns >= trace.arrival_ns).all()
    assert (found.requests.first_token_ns > found.requests.start_ns).all()
    assert (found.requests.finish_ns >= found.requests.first_token_ns).all()
    if policy in ("paged", "oracle") and not sum(one.preemptions for one in found.totals):
        assert sum(one.scheduled_tokens for one in found.totals) == trace.final_tokens.sum()
    assert_separate(found, given, own)


def test_more_requests_than_are_routed_in_one_go_and_more_replicas_than_bits() -> None:
    """Long blocks of text that all prompts share, and a router that must remember more than 64 replicas."""
    count = ARRIVALS + 50
    numbers = np.arange(count)
    trace = Trace.of(np.full(count, 20), np.full(count, 2), numbers * 40e-9, numbers % 70, np.full(count, 16))
    own = own_settings("paged", 4, 9)
    found = replay_fleet(trace, own, Routing("prefix-aware", 70, apart_requests=10_000))
    assert (found.replica == numbers % 70).all()  # each group of prompts has a replica of its own
    assert (found.requests.finish_ns > 0).all()


def test_an_even_load_stays_even_and_a_long_request_is_avoided() -> None:
    """Replica 0 serves the long request, so every later one finds replica 1 idle."""
    trace = Trace.of([5] * 6, [400, 1, 1, 1, 1, 1], np.arange(6) * 8e-7)
    own = dataclasses.replace(own_settings("paged", 4, 9), pool_slots=1000, max_length=500)
    assert replay_fleet(trace, own, Routing("least-outstanding", 2)).replica.tolist() == [0, 1, 1, 1, 1, 1]
    assert replay_fleet(trace, own, Routing("round-robin", 2)).replica.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_request_that_ends_at_an_arrival_has_ended() -> None:
    """The first request's only step takes 7 + 5 + 3 + 2 ns."""
    own = own_settings("paged", 4, 9)
    for ns, chosen in ((16, 1), (17, 0)):
        trace = Trace.of([5, 5], [1, 1], [0, ns / 1e9])
        assert replay_fleet(trace, own, Routing("least-outstanding", 2)).replica.tolist() == [0, chosen]


def test_all_at_once_without_a_step_time() -> None:
    trace = Trace.of([5] * 7, [3] * 7)
    own = dataclasses.replace(own_settings("paged", 4, 2), step_time=NO_TIME)
    found = replay_fleet(trace, own, Routing("least-outstanding", 3))
    assert found.replica.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert found.totals[0] == replay(Trace.of([5] * 3, [3] * 3), own).totals


def test_progress_counts_requests() -> None:
    told: list[int] = []
    trace = Trace.of([5] * 7, [3] * 7)
    replay_fleet(trace, own_settings("paged", 4, 2), Routing("round-robin", 3), progress=told.append)
    assert sum(told) == 7


@pytest.mark.parametrize(
    ("given", "own", "line"),
    [
        ({"router": "round-robbin"}, {}, "router 'round-robbin': unknown; did you mean round-robin"),
        ({"replicas": 0}, {}, "replicas is 0; give a whole number from 1"),
        ({"replicas": MOST_REPLICAS + 1}, {}, f"replicas is {MOST_REPLICAS + 1}; give at most {MOST_REPLICAS}"),
        ({}, {"windows": (8, 0)}, "replicas know no KV cache groups yet"),
    ],
)
def test_what_cannot_be_routed_is_named(given: dict, own: dict, line: str) -> None:
    with refused(line):
        wanted = dataclasses.replace(own_settings("paged", 4, 2), **own)
        replay_fleet(Trace.of([5], [3]), wanted, Routing(**{"router": "round-robin", "replicas": 2, **given}))
